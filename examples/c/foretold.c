#include "foretold.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wasmtime.h>
#include <wasmtime/component.h>

#define STORE "wasi:keyvalue/store@0.2.0-draft"
#define PREDICTOR "foretold:component/predictor@0.1.0"
/* A number for the resource type, of no meaning to anybody else. */
#define BUCKET 1

typedef wasmtime_component_val_t val;

struct foretold_predictor {
  foretold_store store;
  wasm_engine_t *engine;
  wasmtime_component_t *component;
  wasmtime_component_linker_t *linker;
  wasmtime_store_t *instances;
  wasmtime_component_func_t predict;
};

/* Values of the component model. What they own goes with them. */

static wasm_name_t name_of(const char *text) {
  wasm_name_t name;
  wasm_byte_vec_new(&name, strlen(text), text);
  return name;
}

static char *text_of(const wasm_name_t *name) {
  char *text = malloc(name->size + 1);
  memcpy(text, name->data, name->size);
  text[name->size] = 0;
  return text;
}

static val text(const char *text) { return (val){.kind = WASMTIME_COMPONENT_STRING, .of.string = name_of(text)}; }

static val list(size_t size) {
  val list = {.kind = WASMTIME_COMPONENT_LIST};
  wasmtime_component_vallist_new_uninit(&list.of.list, size);
  return list;
}

static val variant(const char *name, val *payload) {
  return (val){.kind = WASMTIME_COMPONENT_VARIANT,
               .of.variant = {name_of(name), payload ? wasmtime_component_val_new(payload) : NULL}};
}

static val result(bool is_ok, val *payload) {
  return (val){.kind = WASMTIME_COMPONENT_RESULT, .of.result = {is_ok, payload ? wasmtime_component_val_new(payload) : NULL}};
}

static val failed(const char *reason) {
  val payload = text(reason), error = variant("other", &payload);
  return result(false, &error);
}

/* The member of a record; NULL if it has none of that name. */
static const val *member(const val *record, const char *name) {
  for (size_t i = 0; i < record->of.record.size; i++) {
    const wasmtime_component_valrecord_entry_t *entry = &record->of.record.data[i];
    if (entry->name.size == strlen(name) && !memcmp(entry->name.data, name, entry->name.size)) return &entry->val;
  }
  return NULL;
}

/* The store, as the component sees it. */

static wasmtime_error_t *release(void *self, wasmtime_context_t *context, uint32_t rep) {
  (void)self, (void)context, (void)rep;
  return NULL;
}

static wasmtime_error_t *open_bucket(void *self, wasmtime_context_t *context, const wasmtime_component_func_type_t *type,
                                     val *args, size_t arg_count, val *results, size_t result_count) {
  (void)self, (void)type, (void)args, (void)arg_count, (void)result_count;
  wasmtime_component_resource_host_t *host = wasmtime_component_resource_host_new(true, 0, BUCKET);
  val bucket = {.kind = WASMTIME_COMPONENT_RESOURCE};
  wasmtime_error_t *error = wasmtime_component_resource_host_to_any(context, host, &bucket.of.resource);
  wasmtime_component_resource_host_delete(host);
  if (!error) results[0] = result(true, &bucket);
  return error;
}

static wasmtime_error_t *get(void *self, wasmtime_context_t *context, const wasmtime_component_func_type_t *type, val *args,
                             size_t arg_count, val *results, size_t result_count) {
  (void)type, (void)arg_count, (void)result_count;
  foretold_store *store = self;
  char *key = text_of(&args[1].of.string);
  uint8_t *value = NULL;
  size_t size = 0;
  bool is_ok = store->get(store->self, key, &value, &size);
  free(key);
  if (!is_ok) {
    results[0] = failed("the store failed");
  } else {
    val found = {.kind = WASMTIME_COMPONENT_OPTION, .of.option = NULL};
    if (value) {
      val bytes = list(size);
      for (size_t i = 0; i < size; i++) bytes.of.list.data[i] = (val){.kind = WASMTIME_COMPONENT_U8, .of.u8 = value[i]};
      found.of.option = wasmtime_component_val_new(&bytes);
    }
    results[0] = result(true, &found);
  }
  free(value);
  return wasmtime_component_resource_any_drop(context, args[0].of.resource);
}

static wasmtime_error_t *set(void *self, wasmtime_context_t *context, const wasmtime_component_func_type_t *type, val *args,
                             size_t arg_count, val *results, size_t result_count) {
  (void)type, (void)arg_count, (void)result_count;
  foretold_store *store = self;
  char *key = text_of(&args[1].of.string);
  size_t size = args[2].of.list.size;
  uint8_t *value = malloc(size ? size : 1);
  for (size_t i = 0; i < size; i++) value[i] = args[2].of.list.data[i].of.u8;
  results[0] = store->set(store->self, key, value, size) ? result(true, NULL) : failed("the store failed");
  free(value);
  free(key);
  return wasmtime_component_resource_any_drop(context, args[0].of.resource);
}

static wasmtime_error_t *link_store(wasmtime_component_linker_t *linker, foretold_store *store) {
  wasmtime_component_linker_instance_t *root = wasmtime_component_linker_root(linker), *interface = NULL;
  wasmtime_component_resource_type_t *bucket = wasmtime_component_resource_type_new_host(BUCKET);
  wasmtime_error_t *error = wasmtime_component_linker_instance_add_instance(root, STORE, strlen(STORE), &interface);
#define ADD(name, function) \
  if (!error) error = wasmtime_component_linker_instance_add_func(interface, name, strlen(name), function, store, NULL)
  if (!error) error = wasmtime_component_linker_instance_add_resource(interface, "bucket", 6, bucket, release, NULL, NULL);
  ADD("open", open_bucket);
  ADD("[method]bucket.get", get);
  ADD("[method]bucket.set", set);
#undef ADD
  wasmtime_component_resource_type_delete(bucket);
  if (interface) wasmtime_component_linker_instance_delete(interface);
  wasmtime_component_linker_instance_delete(root);
  return error;
}

/* Predictions. */

static char *copy(const char *text) { return strcpy(malloc(strlen(text) + 1), text); }

static char *message_of(wasmtime_error_t *error) {
  wasm_name_t message;
  wasmtime_error_message(error, &message);
  char *text = text_of(&message);
  wasm_byte_vec_delete(&message);
  wasmtime_error_delete(error);
  return text;
}

static bool read_file(const char *path, uint8_t **bytes, size_t *size) {
  FILE *file = fopen(path, "rb");
  if (!file) return false;
  long end = fseek(file, 0, SEEK_END) ? -1 : ftell(file);
  *size = end < 0 ? 0 : (size_t)end;
  *bytes = malloc(*size + 1);
  bool is_read = end >= 0 && !fseek(file, 0, SEEK_SET) && fread(*bytes, 1, *size, file) == *size;
  fclose(file);
  return is_read;
}

foretold_predictor *foretold_open(const char *path, foretold_store store, char **error) {
  foretold_predictor *made = calloc(1, sizeof *made);
  made->store = store;
  made->engine = wasm_engine_new();
  made->linker = wasmtime_component_linker_new(made->engine);
  made->instances = wasmtime_store_new(made->engine, NULL, NULL);
  wasmtime_context_t *context = wasmtime_store_context(made->instances);
  uint8_t *bytes = NULL;
  size_t size = 0;
  *error = read_file(path, &bytes, &size) ? NULL : copy("the file cannot be read");
  wasmtime_error_t *failed = wasmtime_context_set_wasi(context, wasi_config_new());
  wasmtime_component_instance_t instance;
  if (!*error && !failed) failed = wasmtime_component_new(made->engine, bytes, size, &made->component);
  if (!*error && !failed) failed = wasmtime_component_linker_add_wasip2(made->linker);
  if (!*error && !failed) failed = link_store(made->linker, &made->store);
  if (!*error && !failed) failed = wasmtime_component_linker_instantiate(made->linker, context, made->component, &instance);
  free(bytes);
  if (failed) *error = message_of(failed);
  if (!*error) {
    wasmtime_component_export_index_t *interface =
        wasmtime_component_instance_get_export_index(&instance, context, NULL, PREDICTOR, strlen(PREDICTOR));
    wasmtime_component_export_index_t *predict =
        interface ? wasmtime_component_instance_get_export_index(&instance, context, interface, "predict", 7) : NULL;
    if (!predict || !wasmtime_component_instance_get_func(&instance, context, predict, &made->predict))
      *error = copy("the component has no " PREDICTOR "; bake it with --target library");
    if (predict) wasmtime_component_export_index_delete(predict);
    if (interface) wasmtime_component_export_index_delete(interface);
  }
  if (!*error) return made;
  foretold_close(made);
  return NULL;
}

static val value_of(const foretold_field *field) {
  val payload;
  switch (field->kind) {
    case FORETOLD_NUMBER:
      payload = (val){.kind = WASMTIME_COMPONENT_F64, .of.f64 = field->value.number};
      return variant("number", &payload);
    case FORETOLD_BOOLEAN:
      payload = (val){.kind = WASMTIME_COMPONENT_BOOL, .of.boolean = field->value.boolean};
      return variant("boolean", &payload);
    case FORETOLD_INTEGER:
      payload = (val){.kind = WASMTIME_COMPONENT_S64, .of.s64 = field->value.integer};
      return variant("integer", &payload);
    case FORETOLD_TEXT:
      payload = text(field->value.text);
      return variant("text", &payload);
    case FORETOLD_VECTOR:
      payload = list(field->value.vector.length);
      for (size_t i = 0; i < field->value.vector.length; i++)
        payload.of.list.data[i] = (val){.kind = WASMTIME_COMPONENT_F64, .of.f64 = field->value.vector.elements[i]};
      return variant("vector", &payload);
    default:
      return variant("missing", NULL);
  }
}

static val row_of(const foretold_field *row, size_t fields) {
  val made = list(fields);
  for (size_t i = 0; i < fields; i++) {
    val *record = &made.of.list.data[i];
    record->kind = WASMTIME_COMPONENT_RECORD;
    wasmtime_component_valrecord_new_uninit(&record->of.record, 2);
    record->of.record.data[0].name = name_of("name");
    record->of.record.data[0].val = text(row[i].name);
    record->of.record.data[1].name = name_of("value");
    record->of.record.data[1].val = value_of(&row[i]);
  }
  return made;
}

/* Why a row was refused: the sentences for all of its fields. */
static char *refusal(const val *error) {
  const val *payload = error->of.variant.val;
  if (payload->kind == WASMTIME_COMPONENT_STRING) return text_of(&payload->of.string);
  char *reason = copy("");
  for (size_t i = 0; i < payload->of.list.size; i++) {
    const val *detail = member(&payload->of.list.data[i], "detail");
    size_t length = strlen(reason), more = detail ? detail->of.string.size : 0;
    reason = realloc(reason, length + more + 3);
    if (length) strcat(reason, "; "), length += 2;
    if (more) memcpy(reason + length, detail->of.string.data, more);
    reason[length + more] = 0;
  }
  return reason;
}

size_t foretold_predict(foretold_predictor *predictor, const foretold_field *row, size_t fields, float *outputs, size_t size,
                        char **status) {
  wasmtime_context_t *context = wasmtime_store_context(predictor->instances);
  /* The call gives back what was there before. */
  val rows = list(1), answer = {.kind = WASMTIME_COMPONENT_BOOL};
  rows.of.list.data[0] = row_of(row, fields);
  wasmtime_error_t *error = wasmtime_component_func_call(&predictor->predict, context, &rows, 1, &answer, 1);
  wasmtime_component_val_delete(&rows);
  if (error) {
    *status = message_of(error);
    return 0;
  }
  size_t count = 0;
  if (!answer.of.result.is_ok) {
    *status = text_of(&answer.of.result.val->of.string);
  } else {
    const val *prediction = &answer.of.result.val->of.list.data[0];
    if (!prediction->of.result.is_ok) {
      *status = refusal(prediction->of.result.val);
    } else {
      const val *found = member(prediction->of.result.val, "outputs");
      count = found->of.list.size;
      for (size_t i = 0; i < count && i < size; i++) outputs[i] = found->of.list.data[i].of.f32;
      *status = text_of(&member(member(prediction->of.result.val, "cache"), "status")->of.string);
    }
  }
  wasmtime_component_val_delete(&answer);
  return count;
}

void foretold_close(foretold_predictor *predictor) {
  wasmtime_store_delete(predictor->instances);
  wasmtime_component_linker_delete(predictor->linker);
  if (predictor->component) wasmtime_component_delete(predictor->component);
  wasm_engine_delete(predictor->engine);
  free(predictor);
}
