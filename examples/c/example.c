/* Asks for the sample twice, over a store in memory, and for a row that is refused:
 *
 *     ./example credit-library.wasm
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "foretold.h"

typedef struct entry {
  struct entry *next;
  char *key;
  uint8_t *value;
  size_t size;
} entry;

static entry *find(entry *entries, const char *key) {
  while (entries && strcmp(entries->key, key)) entries = entries->next;
  return entries;
}

static bool get(void *self, const char *key, uint8_t **value, size_t *size) {
  const entry *found = find(*(entry **)self, key);
  if (!found) return true;
  *size = found->size;
  *value = memcpy(malloc(found->size), found->value, found->size);
  return true;
}

static bool set(void *self, const char *key, const uint8_t *value, size_t size) {
  entry **entries = self, *kept = find(*entries, key);
  if (!kept) {
    kept = calloc(1, sizeof *kept);
    kept->key = strcpy(malloc(strlen(key) + 1), key);
    kept->next = *entries;
    *entries = kept;
  }
  free(kept->value);
  kept->value = memcpy(malloc(size), value, size);
  kept->size = size;
  return true;
}

static void ask(foretold_predictor *predictor, const foretold_field *row, size_t fields) {
  float probability;
  char *status;
  if (foretold_predict(predictor, row, fields, &probability, 1, &status))
    printf("%.9g | %s\n", probability, status);
  else
    printf("refused: %s\n", status);
  free(status);
}

int main(int count, char **arguments) {
  if (count != 2) return fprintf(stderr, "usage: %s COMPONENT.wasm\n", arguments[0]), 2;
  entry *entries = NULL;
  char *error;
  foretold_predictor *predictor = foretold_open(arguments[1], (foretold_store){get, set, &entries}, &error);
  if (!predictor) return fprintf(stderr, "%s: %s\n", arguments[1], error), free(error), 1;
  foretold_field row[] = {
      {"installment_rate_in_percentage_of_disposable_income", FORETOLD_NUMBER, {.number = 0.25}},
      {"age_in_years", FORETOLD_INTEGER, {.integer = 30}},
      {"foreign_worker", FORETOLD_TEXT, {.text = "yes"}},
      {"present_employment_since", FORETOLD_TEXT, {.text = "unemployed"}},
      {"personal_status_and_sex", FORETOLD_TEXT, {.text = "male: single"}},
  };
  size_t fields = sizeof row / sizeof *row;
  ask(predictor, row, fields);
  ask(predictor, row, fields);
  row[1].value.integer = 17;
  ask(predictor, row, fields);
  foretold_close(predictor);
  while (entries) {
    entry *next = entries->next;
    free(entries->key), free(entries->value), free(entries);
    entries = next;
  }
  return 0;
}
