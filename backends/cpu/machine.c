/* Walks hwloc's tree and keeps what matters for compute: see machine.h.
 *
 * Left out on the way: instruction caches, devices, and whatever holds one thing alone (a die that is the package, a
 * group around one cache). A cache of a single core is a property of that core. NUMA nodes hang beside hwloc's tree;
 * here the part that they are nearest to owns their memory. */
#include "backends/cpu/machine.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/status.h"

enum { THREADS_MAX = 64 }; /* of a core that are told apart */

struct walk {
    hwloc_topology_t     topology;
    hwloc_const_cpuset_t usable;
    hwloc_bitmap_t       kinds[HONE_CPU_KINDS_MAX];
    int                  kind_count;
    hone_machine        *out;
    int                  room;
};

static hone_status new_part(struct walk *walk, hone_part_kind kind, int *out)
{
    hone_machine *m = walk->out;
    if (m->part_count == walk->room) {
        int        room = walk->room ? 2 * walk->room : 64;
        hone_part *more = hone_alloc((size_t)room, sizeof *more);
        if (!more) return HONE_ERROR_MEMORY;
        if (m->part_count) memcpy(more, m->parts, (size_t)m->part_count * sizeof *more);
        hone_free(m->parts);
        m->parts = more;
        walk->room = room;
    }
    m->parts[m->part_count] = (hone_part){.kind = kind, .number = -1, .child = -1, .next = -1, .node = -1};
    *out = m->part_count++;
    return HONE_OK;
}

/* Cores below an object; where hwloc knows none, each thread stands for one. */
static int cores_below(hwloc_topology_t topology, hwloc_obj_t object)
{
    int cores = hwloc_get_nbobjs_inside_cpuset_by_type(topology, object->cpuset, HWLOC_OBJ_CORE);
    return cores > 0 ? cores : hwloc_bitmap_weight(object->cpuset);
}

static bool is_core(hwloc_topology_t topology, hwloc_obj_t object)
{
    if (object->type == HWLOC_OBJ_PU) return hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_CORE) <= 0;
    return object->type == HWLOC_OBJ_CORE;
}

static int cache_level(hwloc_obj_t object)
{
    if (!hwloc_obj_type_is_dcache(object->type) || object->attr->cache.depth > HONE_LEVEL_MEMORY) return -1;
    return (int)object->attr->cache.depth - 1;
}

/* What kind of part an object becomes; false: none, what is in it belongs to what it is in. */
static bool kind_of(hwloc_topology_t topology, hwloc_obj_t object, hone_part_kind *out)
{
    bool alone = object->arity <= 1 && object->memory_arity == 0;
    switch (object->type) {
    case HWLOC_OBJ_MACHINE: *out = HONE_PART_MACHINE; return true;
    case HWLOC_OBJ_PACKAGE: *out = HONE_PART_PACKAGE; return true;
    case HWLOC_OBJ_DIE: *out = HONE_PART_DIE; return !(alone || (object->parent && object->parent->arity == 1));
    case HWLOC_OBJ_GROUP: *out = HONE_PART_GROUP; return !alone;
    default: break;
    }
    *out = HONE_PART_CACHE;
    return cache_level(object) >= 0 && cores_below(topology, object) > 1;
}

static void add_nodes(hwloc_obj_t memory, hone_part *part, hone_machine *machine)
{
    for (; memory; memory = memory->next_sibling) {
        add_nodes(memory->memory_first_child, part, machine); /* behind a cache on the memory's side */
        if (memory->type != HWLOC_OBJ_NUMANODE) continue;
        if (!part->nodes) part->node = (int)memory->os_index;
        part->nodes++;
        part->memory_bytes += memory->attr->numanode.local_memory;
        machine->nodes++;
    }
}

/* A core with its threads, and the caches that are its own: those on the way up that no other core shares. */
static void fill_core(const struct walk *walk, hwloc_obj_t object, hone_part *part)
{
    int thread = 0;
    part->number = object->os_index == HWLOC_UNKNOWN_INDEX ? -1 : (int)object->os_index;
    part->cores = 1;
    part->threads = hwloc_bitmap_weight(object->cpuset);
    for (int cpu = hwloc_bitmap_first(object->cpuset); cpu >= 0;
         cpu = hwloc_bitmap_next(object->cpuset, cpu), thread++) {
        if (!hwloc_bitmap_isset(walk->usable, (unsigned)cpu)) continue;
        part->usable_threads++;
        if (thread < THREADS_MAX) part->usable |= (uint64_t)1 << thread;
    }
    part->usable_cores = part->usable_threads > 0;
    for (int kind = 0; kind < walk->kind_count; kind++)
        if (hwloc_bitmap_intersects(walk->kinds[kind], object->cpuset)) part->core_kind = kind;
    for (hwloc_obj_t at = object->parent; at && cores_below(walk->topology, at) == 1; at = at->parent) {
        int level = cache_level(at);
        if (level >= 0) part->cache_bytes[level] = at->attr->cache.size;
    }
}

static hone_status add_children(struct walk *walk, hwloc_obj_t object, int parent, int *last);

static hone_status add_part(struct walk *walk, hwloc_obj_t object, int parent, int *last)
{
    hone_part_kind kind = HONE_PART_CORE;
    int            at, below = -1;
    bool           core = is_core(walk->topology, object);
    if (parent < 0) kind = HONE_PART_MACHINE;
    if (parent >= 0 && (core || !kind_of(walk->topology, object, &kind))) {
        add_nodes(object->memory_first_child, &walk->out->parts[parent], walk->out);
        if (!core) return add_children(walk, object, parent, last);
    }
    HONE_TRY(new_part(walk, kind, &at));
    if (parent >= 0 && *last < 0) walk->out->parts[parent].child = at;
    if (*last >= 0) walk->out->parts[*last].next = at;
    *last = at;
    if (core) {
        fill_core(walk, object, &walk->out->parts[at]);
    } else {
        hone_part *part = &walk->out->parts[at];
        if (kind == HONE_PART_PACKAGE) part->number = (int)object->os_index;
        if (kind == HONE_PART_CACHE) {
            part->level = cache_level(object);
            part->cache_bytes[part->level] = object->attr->cache.size;
        }
        add_nodes(object->memory_first_child, part, walk->out);
        HONE_TRY(add_children(walk, object, at, &below));
    }
    if (parent >= 0) {
        hone_part *of = &walk->out->parts[parent], *part = &walk->out->parts[at];
        of->cores += part->cores;
        of->threads += part->threads;
        of->usable_cores += part->usable_cores;
        of->usable_threads += part->usable_threads;
    }
    return HONE_OK;
}

static hone_status add_children(struct walk *walk, hwloc_obj_t object, int parent, int *last)
{
    for (hwloc_obj_t child = object->first_child; child; child = child->next_sibling)
        HONE_TRY(add_part(walk, child, parent, last));
    return HONE_OK;
}

static void fill_machine(hwloc_topology_t topology, hone_machine *out, int kinds)
{
    const hone_part *root = &out->parts[0];
    hwloc_obj_t      object = hwloc_get_root_obj(topology), package = NULL;
    out->cores = root->cores;
    out->threads = root->threads;
    out->kinds = kinds > 1 ? kinds : 1;
    out->memory_bytes = object->total_memory;
    for (int i = 0; i < out->part_count; i++) {
        out->packages += out->parts[i].kind == HONE_PART_PACKAGE;
        if (out->parts[i].kind == HONE_PART_CORE) out->kind_cores[out->parts[i].core_kind]++;
    }
    const char *model = hwloc_obj_get_info_by_name(object, "CPUModel");
    if (!model && (package = hwloc_get_obj_by_type(topology, HWLOC_OBJ_PACKAGE, 0)))
        model = hwloc_obj_get_info_by_name(package, "CPUModel");
    if (model) snprintf(out->model, sizeof out->model, "%s", model + strspn(model, " "));
}

hone_status hone_machine_of(hwloc_topology_t topology, hwloc_const_cpuset_t usable, hone_machine *out)
{
    int         last = -1;
    struct walk walk = {.topology = topology, .out = out};
    *out = (hone_machine){0};
    walk.usable = usable ? usable : hwloc_topology_get_allowed_cpuset(topology);
    walk.kind_count = hone_cpu_kinds_of(topology, walk.kinds);
    hone_status status = add_part(&walk, hwloc_get_root_obj(topology), -1, &last);
    if (status == HONE_OK && !out->parts[0].cores)
        status = hone_fail(HONE_ERROR_FORMAT, "machine: the topology has no cores");
    if (status == HONE_OK) fill_machine(topology, out, walk.kind_count);
    for (int kind = 0; kind < walk.kind_count; kind++) hwloc_bitmap_free(walk.kinds[kind]);
    if (status != HONE_OK) hone_machine_free(out);
    return status;
}

void hone_machine_free(hone_machine *machine)
{
    hone_free(machine->parts);
    *machine = (hone_machine){0};
}

/* A topology with all that matters and nothing else. */
static hone_status begin(hwloc_topology_t *out)
{
    HONE_CHECK(hwloc_topology_init(out) == 0, HONE_ERROR_DEVICE, "machine: hwloc does not start (%s)", strerror(errno));
    hwloc_topology_set_all_types_filter(*out, HWLOC_TYPE_FILTER_KEEP_NONE); /* no devices */
    hwloc_topology_set_cache_types_filter(*out, HWLOC_TYPE_FILTER_KEEP_ALL);
    hwloc_topology_set_type_filter(*out, HWLOC_OBJ_PACKAGE, HWLOC_TYPE_FILTER_KEEP_ALL);
    hwloc_topology_set_type_filter(*out, HWLOC_OBJ_DIE, HWLOC_TYPE_FILTER_KEEP_ALL);
    hwloc_topology_set_type_filter(*out, HWLOC_OBJ_GROUP, HWLOC_TYPE_FILTER_KEEP_STRUCTURE);
    hwloc_topology_set_type_filter(*out, HWLOC_OBJ_CORE, HWLOC_TYPE_FILTER_KEEP_ALL);
    hwloc_topology_set_flags(*out, HWLOC_TOPOLOGY_FLAG_INCLUDE_DISALLOWED); /* what others use is drawn too */
    return HONE_OK;
}

hone_status hone_machine_here(hone_machine *out)
{
    hwloc_topology_t topology;
    hone_status      status;
    *out = (hone_machine){0};
    HONE_TRY(begin(&topology));
    hwloc_bitmap_t usable = hwloc_bitmap_alloc();
    if (!usable) {
        status = hone_fail(HONE_ERROR_MEMORY, "machine: hwloc has no memory");
    } else if (hwloc_topology_load(topology) != 0) {
        status = hone_fail(HONE_ERROR_DEVICE, "machine: hwloc cannot tell of this machine (%s)", strerror(errno));
    } else {
        hone_cpu_mask mask;
        hone_cpu_usable(&mask);
        hone_cpu_mask_limit("/sys", "/proc", &mask);
        for (int cpu = hone_cpu_mask_next(&mask, 0); cpu >= 0; cpu = hone_cpu_mask_next(&mask, cpu + 1))
            hwloc_bitmap_set(usable, (unsigned)cpu);
        status = hone_machine_of(topology, hwloc_bitmap_iszero(usable) ? NULL : usable, out);
        long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE); /* nodes may tell less than there is */
        if (status == HONE_OK && pages > 0 && page > 0 && (uint64_t)pages * (uint64_t)page > out->memory_bytes)
            out->memory_bytes = (uint64_t)pages * (uint64_t)page;
    }
    hwloc_bitmap_free(usable);
    hwloc_topology_destroy(topology);
    return status;
}

hone_status hone_machine_described(const char *text, hone_machine *out)
{
    hwloc_topology_t topology;
    struct stat      info;
    bool             file = stat(text, &info) == 0, path = file || strchr(text, '/') || strstr(text, ".xml");
    *out = (hone_machine){0};
    HONE_CHECK(file || !path, HONE_ERROR_NOT_FOUND, "machine: there is no file '%s'", text);
    HONE_TRY(begin(&topology));
    hone_status status = HONE_OK;
    if (path && (hwloc_topology_set_xml(topology, text) != 0 || hwloc_topology_load(topology) != 0))
        status =
            hone_fail(HONE_ERROR_FORMAT, "machine: '%s' is no machine that hwloc saved as XML (lstopo FILE.xml)", text);
    else if (!path && (hwloc_topology_set_synthetic(topology, text) != 0 || hwloc_topology_load(topology) != 0))
        status = hone_fail(HONE_ERROR_FORMAT,
                           "machine: '%s' is neither a file nor a machine in hwloc's words, such as "
                           "\"package:2 l3:1 core:8 pu:2\"",
                           text);
    else
        status = hone_machine_of(topology, NULL, out);
    hwloc_topology_destroy(topology);
    return status;
}

bool hone_part_alike(const hone_machine *machine, int a, int b)
{
    const hone_part *one = &machine->parts[a], *two = &machine->parts[b];
    if (one->kind != two->kind || one->level != two->level || one->nodes != two->nodes ||
        one->memory_bytes != two->memory_bytes || one->core_kind != two->core_kind || one->cores != two->cores ||
        one->threads != two->threads || one->usable != two->usable || one->usable_threads != two->usable_threads ||
        memcmp(one->cache_bytes, two->cache_bytes, sizeof one->cache_bytes))
        return false;
    int left = one->child, right = two->child;
    for (; left >= 0 && right >= 0; left = machine->parts[left].next, right = machine->parts[right].next)
        if (!hone_part_alike(machine, left, right)) return false;
    return left < 0 && right < 0;
}
