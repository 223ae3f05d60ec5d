#include "base/timeline.h"

#include "base/mem.h"

bool ls_timeline_on;

static ls_event *ring;
static size_t room, recorded; /* events; so many since the start */

ls_status ls_timeline_start(size_t capacity)
{
    ring = ls_calloc(capacity, sizeof *ring);
    LS_REQUIRE(ring != NULL, LS_ENOMEM, "out of memory for a timeline of %zu events", capacity);
    room = capacity;
    recorded = 0;
    ls_timeline_on = true;
    return LS_OK;
}

void ls_timeline_stop(void)
{
    ls_timeline_on = false;
    ls_free(ring);
    ring = NULL;
}

ls_event *ls_timeline_events(size_t *n)
{
    *n = recorded < room ? recorded : room;
    return ring;
}

void ls_timeline_record(ls_event_kind kind, int64_t index, double start, double end)
{
    ring[recorded++ % room] = (ls_event){start, end, (int32_t)kind, (int32_t)index};
}
