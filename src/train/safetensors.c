#include "train/safetensors.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

enum { LENGTH_BYTES = 8, MAX_HEADER = 100 << 20, HEADER_ALIGNMENT = 64 };

struct ls_safetensors {
    char *bytes; /* the mapped file */
    size_t n_bytes, header_bytes;
    json_t *header;
    ls_stored_tensor *tensor;
    int n_tensors;
};

static ls_status map_file(const char *path, ls_safetensors *file)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    LS_REQUIRE(fd >= 0, LS_ECHECKPOINT, "%s: %s", path, strerror(errno));
    struct stat info;
    void *at = MAP_FAILED;
    const bool known = fstat(fd, &info) == 0, directory = known && S_ISDIR(info.st_mode);
    if (known && S_ISREG(info.st_mode) && info.st_size >= LENGTH_BYTES)
        at = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    LS_REQUIRE(!directory, LS_ECHECKPOINT, "%s: is a directory; give a checkpoint, such as %s/latest", path, path);
    LS_REQUIRE(
        at != MAP_FAILED, LS_ECHECKPOINT,
        "%s: not a safetensors file (shorter than 8 bytes, or unreadable); give a checkpoint, such as RUN-DIR/latest",
        path);
    file->bytes = at;
    file->n_bytes = (size_t)info.st_size;
    return LS_OK;
}

static ls_status parse_header(const char *path, ls_safetensors *file)
{
    uint64_t length = 0;
    for (int i = 0; i < LENGTH_BYTES; i++) length |= (uint64_t)(unsigned char)file->bytes[i] << (8 * i);
    LS_REQUIRE(length <= MAX_HEADER && length <= file->n_bytes - LENGTH_BYTES, LS_ECHECKPOINT,
               "%s: byte 0: a header of %llu bytes in a file of %zu: not a safetensors file, or one that was cut off; "
               "give a checkpoint, such as RUN-DIR/latest",
               path, (unsigned long long)length, file->n_bytes);
    file->header_bytes = LENGTH_BYTES + (size_t)length;
    json_error_t error;
    file->header = json_loadb(file->bytes + LENGTH_BYTES, (size_t)length, JSON_REJECT_DUPLICATES, &error);
    LS_REQUIRE(json_is_object(file->header), LS_ECHECKPOINT, "%s: byte %d: the header is not a JSON object: %s", path,
               LENGTH_BYTES + (file->header ? 0 : error.position), file->header ? "another type" : error.text);
    return LS_OK;
}

/* Non-negative integer of a JSON value; -1 otherwise. */
static int64_t count_of(const json_t *value)
{
    return json_is_integer(value) && json_integer_value(value) >= 0 ? (int64_t)json_integer_value(value) : -1;
}

static ls_status read_shape(const char *path, const char *name, const json_t *shape, ls_stored_tensor *out)
{
    LS_REQUIRE(json_is_array(shape) && json_array_size(shape) <= LS_SAFETENSORS_MAX_DIM, LS_ECHECKPOINT,
               "%s: tensor '%s': shape must be a list of at most %d sizes", path, name, LS_SAFETENSORS_MAX_DIM);
    out->n_dim = (int)json_array_size(shape);
    out->n = 1;
    for (int i = 0; i < out->n_dim; i++) {
        out->dim[i] = count_of(json_array_get(shape, (size_t)i));
        LS_REQUIRE(out->dim[i] >= 0 && ls_mul_i64(out->n, out->dim[i], &out->n) && out->n < INT64_MAX / 8,
                   LS_ECHECKPOINT, "%s: tensor '%s': impossible shape", path, name);
    }
    return LS_OK;
}

static ls_status read_type(const char *path, const char *name, const json_t *dtype, ls_stored_tensor *out,
                           int64_t *width)
{
    static const struct {
        const char *name;
        int width;
    } types[] = {{"F32", 4}, {"F64", 8}, {"F16", 2}, {"BF16", 2}, {"I64", 8},
                 {"I32", 4}, {"I16", 2}, {"I8", 1},  {"U8", 1},   {"BOOL", 1}};
    const char *given = json_string_value(dtype);
    for (size_t i = 0; given != NULL && i < sizeof types / sizeof *types; i++)
        if (strcmp(types[i].name, given) == 0) {
            out->type = types[i].name;
            *width = types[i].width;
            return LS_OK;
        }
    LS_FAIL(LS_ECHECKPOINT, "%s: tensor '%s': type %s, expected F32 or another plain type", path, name,
            given ? given : "missing");
}

static ls_status read_tensor(const char *path, const ls_safetensors *file, const char *name, const json_t *entry,
                             ls_stored_tensor *out)
{
    const json_t *offsets = json_object_get(entry, "data_offsets");
    int64_t width = 0;
    LS_TRY(read_type(path, name, json_object_get(entry, "dtype"), out, &width));
    LS_TRY(read_shape(path, name, json_object_get(entry, "shape"), out));
    const int64_t begin = count_of(json_array_get(offsets, 0)), end = count_of(json_array_get(offsets, 1));
    const int64_t available = (int64_t)(file->n_bytes - file->header_bytes);
    LS_REQUIRE(json_array_size(offsets) == 2 && begin >= 0 && begin <= end && end <= available &&
                   end - begin == out->n * width,
               LS_ECHECKPOINT,
               "%s: tensor '%s': bytes %lld to %lld do not fit its shape or the file (%lld bytes of data)", path, name,
               (long long)begin, (long long)end, (long long)available);
    out->bytes = file->bytes + file->header_bytes + begin;
    out->n_bytes = (size_t)(end - begin);
    out->name = ls_strdup(name);
    LS_REQUIRE(out->name != NULL, LS_ENOMEM, "out of memory for a checkpoint");
    return LS_OK;
}

static int compare_tensors(const void *a, const void *b)
{
    const ls_stored_tensor *x = a, *y = b;
    return x->bytes != y->bytes ? (x->bytes > y->bytes) - (x->bytes < y->bytes)
                                : (x->n_bytes > y->n_bytes) - (x->n_bytes < y->n_bytes);
}

/* The bytes of all tensors follow one another to the end of the file. */
static ls_status check_gaps(const char *path, const ls_safetensors *file)
{
    const char *at = file->bytes + file->header_bytes;
    for (int i = 0; i < file->n_tensors; i++) {
        LS_REQUIRE(file->tensor[i].bytes == at, LS_ECHECKPOINT, "%s: tensor '%s' leaves a gap or an overlap", path,
                   file->tensor[i].name);
        at += file->tensor[i].n_bytes;
    }
    LS_REQUIRE(at == file->bytes + file->n_bytes, LS_ECHECKPOINT, "%s: %lld bytes behind the last tensor", path,
               (long long)(file->bytes + file->n_bytes - at));
    return LS_OK;
}

static ls_status read_tensors(const char *path, ls_safetensors *file)
{
    file->tensor = ls_calloc(json_object_size(file->header), sizeof *file->tensor);
    LS_REQUIRE(file->tensor != NULL, LS_ENOMEM, "out of memory for a checkpoint");
    const char *name;
    json_t *entry;
    json_object_foreach(file->header, name, entry)
    {
        if (strcmp(name, "__metadata__") == 0) continue;
        LS_TRY(read_tensor(path, file, name, entry, &file->tensor[file->n_tensors]));
        file->n_tensors++;
    }
    qsort(file->tensor, (size_t)file->n_tensors, sizeof *file->tensor, compare_tensors);
    return check_gaps(path, file);
}

ls_status ls_safetensors_open(const char *path, ls_safetensors **out)
{
    *out = NULL;
    ls_safetensors *file = ls_calloc(1, sizeof *file);
    LS_REQUIRE(file != NULL, LS_ENOMEM, "out of memory for a checkpoint");
    ls_status status = map_file(path, file);
    if (status == LS_OK) status = parse_header(path, file);
    if (status == LS_OK) status = read_tensors(path, file);
    if (status != LS_OK) ls_safetensors_close(&file);
    *out = file;
    return status;
}

void ls_safetensors_close(ls_safetensors **file)
{
    if (file == NULL || *file == NULL) return;
    for (int i = 0; i < (*file)->n_tensors; i++) ls_free((*file)->tensor[i].name);
    ls_free((*file)->tensor);
    json_decref((*file)->header);
    if ((*file)->bytes != NULL) munmap((*file)->bytes, (*file)->n_bytes);
    ls_free(*file);
    *file = NULL;
}

int ls_safetensors_n_tensors(const ls_safetensors *file)
{
    return file->n_tensors;
}

const ls_stored_tensor *ls_safetensors_tensor(const ls_safetensors *file, int i)
{
    return &file->tensor[i];
}

const ls_stored_tensor *ls_safetensors_find(const ls_safetensors *file, const char *name)
{
    for (int i = 0; i < file->n_tensors; i++)
        if (strcmp(file->tensor[i].name, name) == 0) return &file->tensor[i];
    return NULL;
}

const char *ls_safetensors_metadata(const ls_safetensors *file, const char *key)
{
    return json_string_value(json_object_get(json_object_get(file->header, "__metadata__"), key));
}

static const char hash_key[] = "\"xxh3\":\"";

ls_status ls_safetensors_check_hash(const ls_safetensors *file, const char *path)
{
    const char *at = memmem(file->bytes, file->header_bytes, hash_key, sizeof hash_key - 1);
    const char *digits = at ? at + sizeof hash_key - 1 : NULL;
    LS_REQUIRE(digits != NULL && digits + LS_HASH_DIGITS <= file->bytes + file->header_bytes, LS_ECHECKPOINT,
               "%s: not a lockstep checkpoint: its metadata has no xxh3; the weights of another program begin a run by "
               "--init-from",
               path);
    ls_hash *hash;
    LS_TRY(ls_hash_create(&hash));
    const char zeros[LS_HASH_DIGITS + 1] = "0000000000000000";
    ls_hash_add(hash, file->bytes, (size_t)(digits - file->bytes));
    ls_hash_add(hash, zeros, LS_HASH_DIGITS);
    ls_hash_add(hash, digits + LS_HASH_DIGITS, file->n_bytes - (size_t)(digits + LS_HASH_DIGITS - file->bytes));
    char text[LS_HASH_DIGITS + 1];
    ls_hash_text(ls_hash_value(hash), text);
    ls_hash_destroy(&hash);
    LS_REQUIRE(
        memcmp(text, digits, LS_HASH_DIGITS) == 0, LS_ECHECKPOINT,
        "%s: damaged: its bytes do not match its hash (%.16s written, %s found); take an older one of its directory",
        path, digits, text);
    return LS_OK;
}

void ls_safetensors_begin(ls_safetensors_header *h)
{
    *h = (ls_safetensors_header){.in_metadata = true};
    ls_text_add(&h->text, "\0\0\0\0\0\0\0\0", LENGTH_BYTES);
    ls_text_printf(&h->text, "{\"__metadata__\":{%s", hash_key);
    h->hash_at = h->text.n;
    ls_text_printf(&h->text, "0000000000000000\"");
}

void ls_safetensors_put_metadata(ls_safetensors_header *h, const char *key, const char *value)
{
    ls_text_printf(&h->text, ",");
    ls_text_json_string(&h->text, key);
    ls_text_printf(&h->text, ":");
    ls_text_json_string(&h->text, value);
}

void ls_safetensors_put_tensor(ls_safetensors_header *h, const char *name, int n_dim, const int64_t *dim)
{
    if (h->in_metadata) ls_text_printf(&h->text, "}");
    h->in_metadata = false;
    ls_text_printf(&h->text, ",");
    ls_text_json_string(&h->text, name);
    ls_text_printf(&h->text, ":{\"dtype\":\"F32\",\"shape\":[");
    uint64_t n = 1;
    for (int i = 0; i < n_dim; i++) {
        ls_text_printf(&h->text, "%s%lld", i ? "," : "", (long long)dim[i]);
        n *= (uint64_t)dim[i];
    }
    const uint64_t end = h->data_bytes + 4 * n;
    ls_text_printf(&h->text, "],\"data_offsets\":[%llu,%llu]}", (unsigned long long)h->data_bytes,
                   (unsigned long long)end);
    h->data_bytes = end;
}

ls_status ls_safetensors_end(ls_safetensors_header *h)
{
    ls_text_printf(&h->text, h->in_metadata ? "}}" : "}");
    while (!h->text.failed && h->text.n % HEADER_ALIGNMENT != 0) ls_text_add(&h->text, " ", 1);
    LS_TRY(ls_text_status(&h->text));
    const uint64_t length = h->text.n - LENGTH_BYTES;
    for (int i = 0; i < LENGTH_BYTES; i++) h->text.data[i] = (char)(unsigned char)(length >> (8 * i));
    return LS_OK;
}
