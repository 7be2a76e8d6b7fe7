package main

/*
#include <stdlib.h>
#include "foretold.h"

bool goGet(void *self, char *key, uint8_t **value, size_t *size);
bool goSet(void *self, char *key, uint8_t *value, size_t size);

static foretold_predictor *open_predictor(const char *path, uintptr_t self, char **error) {
	foretold_store store = {
		(bool (*)(void *, const char *, uint8_t **, size_t *))goGet,
		(bool (*)(void *, const char *, const uint8_t *, size_t))goSet,
		(void *)self,
	};
	return foretold_open(path, store, error);
}

static void put_number(foretold_field *field, double number) { field->kind = FORETOLD_NUMBER, field->value.number = number; }
static void put_boolean(foretold_field *field, bool boolean) { field->kind = FORETOLD_BOOLEAN, field->value.boolean = boolean; }
static void put_integer(foretold_field *field, int64_t integer) { field->kind = FORETOLD_INTEGER, field->value.integer = integer; }
static void put_text(foretold_field *field, const char *text) { field->kind = FORETOLD_TEXT, field->value.text = text; }
static void put_vector(foretold_field *field, const double *elements, size_t length) {
	field->kind = FORETOLD_VECTOR;
	field->value.vector.elements = elements;
	field->value.vector.length = length;
}
*/
import "C"

import (
	"errors"
	"fmt"
	"runtime/cgo"
	"unsafe"
)

// Store keeps predictions. An error costs no prediction: the row is computed, and not kept.
type Store interface {
	// Get gives nil where there is nothing.
	Get(key string) ([]byte, error)
	Set(key string, value []byte) error
}

// Map is a store in memory.
type Map map[string][]byte

func (entries Map) Get(key string) ([]byte, error) { return entries[key], nil }

func (entries Map) Set(key string, value []byte) error {
	entries[key] = value
	return nil
}

// Row has the features of one case: float64, bool, int, string, []float64 or nil for one that is missing.
type Row map[string]any

// Predictor is a model over a store. It answers one call at a time: goroutines make one each.
type Predictor struct {
	native *C.foretold_predictor
	store  cgo.Handle
}

// Open loads a component that `foretold bake --target library` has made.
func Open(path string, store Store) (*Predictor, error) {
	file, handle := C.CString(path), cgo.NewHandle(store)
	defer C.free(unsafe.Pointer(file))
	var reason *C.char
	native := C.open_predictor(file, C.uintptr_t(handle), &reason)
	if native == nil {
		handle.Delete()
		defer C.free(unsafe.Pointer(reason))
		return nil, errors.New(C.GoString(reason))
	}
	return &Predictor{native, handle}, nil
}

// Predict gives the model's outputs for a row, and what the cache did, e.g. `foretold; hit; ttl=3600`.
func (predictor *Predictor) Predict(row Row) ([]float32, string, error) {
	const most = 1024
	size := C.size_t(unsafe.Sizeof(C.foretold_field{}))
	fields := (*C.foretold_field)(C.calloc(C.size_t(len(row)+1), size))
	owned := []unsafe.Pointer{unsafe.Pointer(fields)}
	defer func() {
		for _, memory := range owned {
			C.free(memory)
		}
	}()
	text := func(text string) *C.char {
		made := C.CString(text)
		owned = append(owned, unsafe.Pointer(made))
		return made
	}
	i := 0
	for name, value := range row {
		field := (*C.foretold_field)(unsafe.Add(unsafe.Pointer(fields), uintptr(i)*uintptr(size)))
		field.name = text(name)
		switch value := value.(type) {
		case nil:
		case float64:
			C.put_number(field, C.double(value))
		case bool:
			C.put_boolean(field, C.bool(value))
		case int:
			C.put_integer(field, C.int64_t(value))
		case string:
			C.put_text(field, text(value))
		case []float64:
			elements := C.CBytes(unsafe.Slice((*byte)(unsafe.Pointer(&append(value, 0)[0])), 8*len(value)))
			owned = append(owned, elements)
			C.put_vector(field, (*C.double)(elements), C.size_t(len(value)))
		default:
			return nil, "", fmt.Errorf("%s: expected float64, bool, int, string, []float64 or nil, got %T", name, value)
		}
		i++
	}
	var outputs [most]C.float
	var status *C.char
	count := C.foretold_predict(predictor.native, fields, C.size_t(len(row)), &outputs[0], most, &status)
	defer C.free(unsafe.Pointer(status))
	if count == 0 {
		return nil, "", errors.New(C.GoString(status))
	}
	if count > most {
		return nil, "", fmt.Errorf("the model has %d outputs; expected at most %d", count, most)
	}
	found := make([]float32, count)
	for i := range found {
		found[i] = float32(outputs[i])
	}
	return found, C.GoString(status), nil
}

// Close gives back what the predictor holds.
func (predictor *Predictor) Close() {
	C.foretold_close(predictor.native)
	predictor.store.Delete()
}

//export goGet
func goGet(self unsafe.Pointer, key *C.char, value **C.uint8_t, size *C.size_t) C.bool {
	found, err := cgo.Handle(uintptr(self)).Value().(Store).Get(C.GoString(key))
	if err == nil && found != nil {
		*value, *size = (*C.uint8_t)(C.CBytes(found)), C.size_t(len(found))
	}
	return C.bool(err == nil)
}

//export goSet
func goSet(self unsafe.Pointer, key *C.char, value *C.uint8_t, size C.size_t) C.bool {
	bytes := C.GoBytes(unsafe.Pointer(value), C.int(size))
	return C.bool(cgo.Handle(uintptr(self)).Value().(Store).Set(C.GoString(key), bytes) == nil)
}
