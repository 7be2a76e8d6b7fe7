/* Predictions in a C program, by a component that `foretold bake --target library` has made.
 *
 * The component checks rows, makes keys and entries, and runs the model; the program supplies the store. A predictor
 * answers one call at a time: threads make one each.
 */
#ifndef FORETOLD_H
#define FORETOLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum { FORETOLD_MISSING, FORETOLD_NUMBER, FORETOLD_BOOLEAN, FORETOLD_INTEGER, FORETOLD_TEXT, FORETOLD_VECTOR } foretold_kind;

/* A feature by its name, and its value. */
typedef struct {
  const char *name;
  foretold_kind kind;
  union {
    double number;
    bool boolean;
    int64_t integer;
    const char *text;
    /* NaN is a missing element. */
    struct { const double *elements; size_t length; } vector;
  } value;
} foretold_field;

/* Where predictions are kept. Both return false if the store failed: the row is computed, and not kept. */
typedef struct {
  /* Gives the value as memory that is freed with free(), or NULL where there is none. */
  bool (*get)(void *self, const char *key, uint8_t **value, size_t *size);
  bool (*set)(void *self, const char *key, const uint8_t *value, size_t size);
  void *self;
} foretold_store;

typedef struct foretold_predictor foretold_predictor;

/* Loads a component. Returns NULL and says why in *error, which is freed with free(). */
foretold_predictor *foretold_open(const char *path, foretold_store store, char **error);

/* Asks for a row. Writes at most `size` outputs and returns how many the model has; in *status stands what the cache
 * did, e.g. `foretold; hit; ttl=3600`. Returns 0 for a row that is refused or a model that fails, and says why in
 * *status. It is freed with free(). */
size_t foretold_predict(foretold_predictor *predictor, const foretold_field *row, size_t fields, float *outputs, size_t size,
                        char **status);

void foretold_close(foretold_predictor *predictor);

#endif
