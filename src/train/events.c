#include "train/events.h"

#include <dirent.h>
#include <fcntl.h>
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"

static const char stem[] = "events.out.tfevents.", ending[] = ".lockstep";

/* Field numbers and wire types: EVENT_STEP is `int64 step = 2` of Event. */
enum { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 };
enum { EVENT_WALL_TIME = 1, EVENT_STEP = 2, EVENT_FILE_VERSION = 3, EVENT_SUMMARY = 5, EVENT_SESSION_LOG = 7 };
enum { SUMMARY_VALUE = 1, VALUE_TAG = 1, VALUE_SIMPLE = 2, SESSION_STATUS = 1, SESSION_START = 1 };
enum { HEADER_BYTES = 12, CRC_BYTES = 4 }; /* around the bytes of a record: 8 of length and its CRC; a CRC */

/* CRC-32C (Castagnoli, reflected polynomial 0x82f63b78), half a byte at a time. */
static uint32_t crc32c(const char *bytes, size_t n)
{
    static const uint32_t table[16] = {0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3,
                                       0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
                                       0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75};
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < n; i++) {
        crc ^= (uint8_t)bytes[i];
        crc = (crc >> 4) ^ table[crc & 15];
        crc = (crc >> 4) ^ table[crc & 15];
    }
    return ~crc;
}

/* n low bytes of a number, the lowest first. */
static void store(char *at, uint64_t value, size_t n)
{
    for (size_t i = 0; i < n; i++) at[i] = (char)(value >> (8 * i));
}

static void store_masked_crc(char *at, const char *bytes, size_t n)
{
    const uint32_t crc = crc32c(bytes, n);
    store(at, ((crc >> 15) | (crc << 17)) + 0xa282ead8u, CRC_BYTES);
}

static void put_fixed(ls_text *out, uint64_t value, size_t n)
{
    char bytes[8];
    store(bytes, value, n);
    ls_text_add(out, bytes, n);
}

static void put_varint(ls_text *out, uint64_t value)
{
    char bytes[10];
    size_t n = 0;
    for (; value >= 128; value >>= 7) bytes[n++] = (char)(value | 128);
    bytes[n++] = (char)value;
    ls_text_add(out, bytes, n);
}

static size_t varint_bytes(uint64_t value)
{
    size_t n = 1;
    for (; value >= 128; value >>= 7) n++;
    return n;
}

static void put_key(ls_text *out, unsigned field, unsigned wire_type)
{
    put_varint(out, field << 3 | wire_type);
}

static void put_text(ls_text *out, unsigned field, const char *text)
{
    put_key(out, field, BYTES);
    put_varint(out, strlen(text));
    ls_text_add(out, text, strlen(text));
}

/* Leaves room for the header, and begins the Event; returns where. */
static size_t begin_record(ls_text *out, double wall_time, int64_t step)
{
    static const char header[HEADER_BYTES];
    const size_t at = out->n;
    uint64_t bits;
    memcpy(&bits, &wall_time, sizeof bits);
    ls_text_add(out, header, sizeof header);
    put_key(out, EVENT_WALL_TIME, FIXED64);
    put_fixed(out, bits, 8);
    put_key(out, EVENT_STEP, VARINT);
    put_varint(out, (uint64_t)step);
    return at;
}

static void end_record(ls_text *out, size_t at)
{
    static const char crc[CRC_BYTES];
    ls_text_add(out, crc, sizeof crc);
    if (out->failed) return; /* told by the sink's status */
    char *record = out->data + at, *bytes = record + HEADER_BYTES;
    const size_t n = out->n - at - HEADER_BYTES - CRC_BYTES;
    store(record, n, 8);
    store_masked_crc(record + 8, record, 8);
    store_masked_crc(bytes + n, bytes, n);
}

static double wall_time(const ls_events *e, double now_s)
{
    return e->wall_offset_s + now_s;
}

static void put_version(ls_events *e)
{
    const size_t at = begin_record(&e->sink.buffer, wall_time(e, ls_clock_s()), 0);
    put_text(&e->sink.buffer, EVENT_FILE_VERSION, "brain.Event:2");
    end_record(&e->sink.buffer, at);
}

/* At SessionLog.START TensorBoard forgets the steps from this one on that older files hold. */
static void put_start(ls_events *e, int64_t first_step)
{
    ls_text *out = &e->sink.buffer;
    const size_t at = begin_record(out, wall_time(e, ls_clock_s()), first_step);
    put_key(out, EVENT_SESSION_LOG, BYTES);
    put_varint(out, 2);
    put_key(out, SESSION_STATUS, VARINT);
    put_varint(out, SESSION_START);
    end_record(out, at);
}

/* The time in an event file's name; -1 when the name is none. */
static int64_t time_of(const char *name)
{
    if (strncmp(name, stem, sizeof stem - 1) != 0) return -1;
    char *end;
    const int64_t time = strtoll(name + sizeof stem - 1, &end, 10);
    return *end == '.' && time >= 0 && time < 9999999999 ? time : -1;
}

/* The latest time of the directory's event files; -1: none. */
static int64_t latest(const char *directory)
{
    int64_t newest = -1;
    DIR *d = opendir(directory);
    if (d == NULL) return -1;
    for (struct dirent *entry; (entry = readdir(d)) != NULL;)
        if (time_of(entry->d_name) > newest) newest = time_of(entry->d_name);
    closedir(d);
    return newest;
}

static bool is_ours(const char *name)
{
    const size_t n = strlen(name), n_ending = sizeof ending - 1;
    return time_of(name) >= 0 && n > n_ending && strcmp(name + n - n_ending, ending) == 0;
}

void ls_events_remove(const char *directory)
{
    DIR *d = opendir(directory);
    if (d == NULL) return;
    for (struct dirent *entry; (entry = readdir(d)) != NULL;)
        if (is_ours(entry->d_name)) unlinkat(dirfd(d), entry->d_name, 0);
    closedir(d);
}

/* Two starts within a second, or a clock that was set back, keep their order. */
static char *path_of(const char *directory)
{
    char host[65] = "", name[128];
    int64_t time_s = (int64_t)time(NULL);
    const int64_t before = latest(directory);
    if (time_s <= before) time_s = before + 1;
    gethostname(host, sizeof host - 1);
    snprintf(name, sizeof name, "%s%010" PRId64 ".%s%s", stem, time_s, host, ending);
    return ls_path_join(directory, name);
}

ls_status ls_events_open(ls_events *e, const char *directory, int64_t keep_iteration)
{
    struct timespec now;
    LS_TRY(ls_sink_open(&e->sink, path_of(directory), O_EXCL));
    clock_gettime(CLOCK_REALTIME, &now);
    e->wall_offset_s = (double)now.tv_sec + 1e-9 * (double)now.tv_nsec - ls_clock_s();
    put_version(e);
    put_start(e, keep_iteration + 1);
    return LS_OK;
}

void ls_events_scalar(ls_events *e, const char *key, double value)
{
    if (!(fabs(value) <= FLT_MAX) || e->n == LS_MAX_SCALARS) return;
    e->key[e->n] = key;
    e->value[e->n++] = (float)value;
}

static size_t tag_bytes(const char *prefix, const char *key)
{
    return strlen(prefix) + 1 + strlen(key);
}

/* Of a Summary.Value: tag with its key and length, simple_value with its key. */
static size_t value_bytes(size_t tag)
{
    return 1 + varint_bytes(tag) + tag + 1 + sizeof(float);
}

static void put_value(ls_text *out, const char *prefix, const char *key, float value)
{
    const size_t tag = tag_bytes(prefix, key);
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    put_key(out, SUMMARY_VALUE, BYTES);
    put_varint(out, value_bytes(tag));
    put_key(out, VALUE_TAG, BYTES);
    put_varint(out, tag);
    ls_text_printf(out, "%s/%s", prefix, key);
    put_key(out, VALUE_SIMPLE, FIXED32);
    put_fixed(out, bits, sizeof bits);
}

void ls_events_end(ls_events *e, const char *prefix, int64_t iteration, double now_s)
{
    ls_text *out = &e->sink.buffer;
    size_t summary = 0;
    for (int i = 0; i < e->n; i++) {
        const size_t n = value_bytes(tag_bytes(prefix, e->key[i]));
        summary += 1 + varint_bytes(n) + n;
    }
    const size_t at = begin_record(out, wall_time(e, now_s), iteration);
    put_key(out, EVENT_SUMMARY, BYTES);
    put_varint(out, summary);
    for (int i = 0; i < e->n; i++) put_value(out, prefix, e->key[i], e->value[i]);
    end_record(out, at);
    e->n = 0;
    ls_sink_tick(&e->sink, now_s);
}
