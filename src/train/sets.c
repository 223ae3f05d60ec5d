#include "train/sets.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* A set on its way into memory. */
typedef struct loading {
    const char *what;
    ls_dataset_source *source; /* on the node's first rank, and on the one that loads */
    ls_dataset_info info;
    bool in_file;            /* on every node */
    ls_dataset_place *place; /* in the window, when in_file */
    void *labels;            /* in the window */
    bool loads;
    int root; /* the rank of node 0 that loads */
} loading;

/* Only first ranks of nodes, and ranks that load, open the files; every rank gets the shape that rank 0 found. */
static ls_status open_source(const ls_job *job, struct ls_node *spec, const char *directory, const char *data_directory,
                             loading *l)
{
    ls_status status = LS_OK;
    if (ls_job_local_rank(job) == 0 || l->loads) status = ls_dataset_open(spec, directory, data_directory, &l->source);
    if (l->source != NULL) l->info = *ls_dataset_source_info(l->source);
    if (status != LS_OK) ls_status_prefix(status, "%s", l->what);
    LS_TRY(ls_job_agree(job, status));
    const ls_dataset_info mine = l->info;
    ls_job_broadcast(job, 0, &l->info, sizeof l->info);
    if (l->source != NULL && memcmp(&mine, &l->info, sizeof mine) != 0)
        status = ls_status_fail(
            LS_EDATA, __FILE__, __LINE__,
            "%s: this node's files differ in shape from rank 0's; copy the same files to every node", l->what);
    return ls_job_agree(job, status);
}

/* The window: [place, labels] or [features, labels]. */
static ls_status make_room(const ls_job *job, loading *l, ls_set *set)
{
    ls_dataset_place place = {0};
    size_t features, labels;
    const bool copies = l->source != NULL && !ls_dataset_in_file(l->source, &place);
    l->in_file = ls_job_max(job, copies ? 1.0 : 0.0) == 0.0;
    LS_TRY(ls_dataset_bytes(&l->info, &features, &labels)); /* the same on all ranks */
    const size_t before = l->in_file ? sizeof place : features;
    LS_TRY(ls_window_create(job, before + labels, l->what, &set->window));
    char *memory = ls_window_memory(set->window);
    l->labels = memory + before;
    if (!l->in_file) return LS_OK;
    l->place = (ls_dataset_place *)memory;
    if (ls_job_local_rank(job) == 0) *l->place = place;
    return LS_OK;
}

static ls_status prepare(const ls_job *job, const ls_set_request *request, int i, const char *directory,
                         const char *data_directory, loading *l, ls_set *set)
{
    l->what = request->what;
    l->loads = ls_job_local_rank(job) == i % ls_job_local_size(job, ls_job_node(job));
    l->root = i % ls_job_local_size(job, 0);
    LS_TRY(open_source(job, request->spec, directory, data_directory, l));
    return make_room(job, l, set);
}

static ls_status map_features(const ls_dataset_place *place, const char *what, ls_set *set)
{
    const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), first = place->offset / page * page;
    const int fd = open(place->path, O_RDONLY | O_CLOEXEC);
    LS_REQUIRE(fd >= 0, LS_EDATA, "%s: %s cannot be opened: %s", what, place->path, strerror(errno));
    set->map_bytes = (size_t)(place->offset - first) + place->bytes;
    set->map = mmap(NULL, set->map_bytes, PROT_READ, MAP_SHARED, fd, (off_t)first);
    const int cause = errno;
    close(fd);
    if (set->map == MAP_FAILED) set->map = NULL;
    LS_REQUIRE(set->map != NULL, LS_EDATA, "%s: %s cannot be mapped: %s", what, place->path, strerror(cause));
    return LS_OK;
}

static ls_status fill(const loading *l, ls_set *set)
{
    void *features = l->in_file ? NULL : ls_window_memory(set->window);
    if (l->in_file) LS_TRY(map_features(l->place, l->what, set));
    if (l->loads) LS_TRY(ls_dataset_load(l->source, features, l->labels));
    const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    ls_dataset_attach(&l->info, l->in_file ? (const char *)set->map + l->place->offset % page : features, l->labels,
                      &set->data);
    if (l->loads) set->hash = ls_dataset_hash(&set->data);
    return LS_OK;
}

static ls_status same_hash(const ls_job *job, const loading *l, ls_set *set)
{
    const uint64_t mine = set->hash;
    ls_status status = LS_OK;
    ls_job_broadcast(job, l->root, &set->hash, sizeof set->hash);
    if (l->loads && mine != set->hash)
        status = ls_status_fail(
            LS_EDATA, __FILE__, __LINE__,
            "%s: this node reads other data than rank 0's (hash); copy the same files to every node", l->what);
    return ls_job_agree(job, status);
}

/* Opening and room in turn, as they are collective; then every loader its own sets, side by side. */
static ls_status load(const ls_job *job, const ls_set_request *requests, int n, const char *directory,
                      const char *data_directory, loading *loads, ls_set *sets)
{
    ls_status status = LS_OK;
    for (int i = 0; i < n; i++) LS_TRY(prepare(job, &requests[i], i, directory, data_directory, &loads[i], &sets[i]));
    ls_job_barrier(job); /* the places are written */
    for (int i = 0; i < n && status == LS_OK; i++) {
        status = fill(&loads[i], &sets[i]);
        if (status != LS_OK) ls_status_prefix(status, "%s", loads[i].what);
    }
    LS_TRY(ls_job_agree(job, status));
    for (int i = 0; i < n; i++) LS_TRY(same_hash(job, &loads[i], &sets[i]));
    return LS_OK;
}

ls_status ls_sets_load(const ls_job *job, const ls_set_request *requests, int n, const char *directory,
                       const char *data_directory, ls_set *sets)
{
    loading loads[LS_MAX_SETS] = {0};
    const ls_status status = load(job, requests, n, directory, data_directory, loads, sets);
    for (int i = 0; i < n; i++) ls_dataset_source_destroy(&loads[i].source);
    return status;
}

void ls_set_unload(ls_set *set)
{
    if (set->map != NULL) munmap(set->map, set->map_bytes);
    ls_window_destroy(&set->window);
    *set = (ls_set){0};
}
