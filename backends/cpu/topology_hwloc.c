/* The same summary as topology.c makes, from hwloc: for machines whose files tell nothing, for recorded and described
 * ones, and as the second opinion. hwloc 2 and 3 differ in how infos are kept; that is settled here. */
#include <stdio.h>
#include <string.h>

#include "backends/cpu/topology.h"

/* How many objects of a type have a CPU of the set in them. */
static int touched(hwloc_topology_t topology, hwloc_const_cpuset_t set, hwloc_obj_type_t type)
{
    int count = 0;
    for (hwloc_obj_t it = NULL; (it = hwloc_get_next_obj_by_type(topology, type, it));)
        count += hwloc_bitmap_intersects(it->cpuset, set) != 0;
    return count;
}

static int cores_in(hwloc_topology_t topology, hwloc_const_cpuset_t set)
{
    if (hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_CORE) > 0) return touched(topology, set, HWLOC_OBJ_CORE);
    return hwloc_bitmap_weight(set);
}

static void note(hwloc_const_cpuset_t core, hwloc_const_cpuset_t set, hone_cpu_mask *out)
{
    int cpu = hwloc_bitmap_first(core);
    while (cpu >= 0 && !hwloc_bitmap_isset(set, (unsigned)cpu)) cpu = hwloc_bitmap_next(core, cpu);
    if (cpu >= 0 && cpu < HONE_CPU_MASK_WORDS * 64) out->word[cpu / 64] |= (uint64_t)1 << (cpu % 64);
}

/* The first CPU of the set in each core. */
static void note_first(hwloc_topology_t topology, hwloc_const_cpuset_t set, hone_cpu_mask *out)
{
    hwloc_obj_type_t type = hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_CORE) > 0 ? HWLOC_OBJ_CORE : HWLOC_OBJ_PU;
    for (hwloc_obj_t it = NULL; (it = hwloc_get_next_obj_by_type(topology, type, it));) note(it->cpuset, set, out);
}

/* The CPUs of one kind; false when the kernel has no name for it: favoured cores, that clock higher, are no kind. */
static bool kind_named(hwloc_topology_t topology, int kind, hwloc_bitmap_t set)
{
    int efficiency;
#if HWLOC_API_VERSION >= 0x00030000
    struct hwloc_infos_s *kept = NULL;
    if (hwloc_cpukinds_get_info(topology, (unsigned)kind, set, &efficiency, &kept, 0) < 0 || !kept) return false;
    const struct hwloc_info_s *infos = kept->array;
    unsigned                   count = kept->count;
#else
    struct hwloc_info_s *infos = NULL;
    unsigned             count = 0;
    if (hwloc_cpukinds_get_info(topology, (unsigned)kind, set, &efficiency, &count, &infos, 0) < 0) return false;
#endif
    for (unsigned i = 0; i < count; i++)
        if (!strcmp(infos[i].name, "CoreType") || !strcmp(infos[i].name, "LinuxCapacity")) return true;
    return false;
}

int hone_cpu_kinds_of(hwloc_topology_t topology, hwloc_bitmap_t out[HONE_CPU_KINDS_MAX])
{
    int kinds = hwloc_cpukinds_get_nr(topology, 0), count = 0; /* the weakest comes first */
    for (int kind = kinds - 1; kind >= 0 && kinds > 1; kind--) {
        hwloc_bitmap_t set = hwloc_bitmap_alloc();
        bool           named = set && kind_named(topology, kind, set);
        if (named) hwloc_bitmap_and(set, set, hwloc_topology_get_topology_cpuset(topology));
        if (named && count < HONE_CPU_KINDS_MAX && !hwloc_bitmap_iszero(set)) {
            out[count++] = set;
            continue;
        }
        if (named && count == HONE_CPU_KINDS_MAX) hwloc_bitmap_or(out[count - 1], out[count - 1], set);
        hwloc_bitmap_free(set);
    }
    return count;
}

static void count_kinds(hwloc_topology_t topology, hwloc_const_cpuset_t here, hone_cpu_layout *out, int *strongest)
{
    hwloc_bitmap_t kinds[HONE_CPU_KINDS_MAX];
    int            told = hone_cpu_kinds_of(topology, kinds), count = 0;
    *strongest = hwloc_bitmap_first(here);
    for (int i = 0; i < told; i++) {
        hwloc_bitmap_and(kinds[i], kinds[i], here);
        if (!hwloc_bitmap_iszero(kinds[i])) {
            if (count == 0) *strongest = hwloc_bitmap_first(kinds[i]);
            out->kinds[count++] = cores_in(topology, kinds[i]);
        }
        hwloc_bitmap_free(kinds[i]);
    }
    if (count == 0) out->kinds[0] = out->cores;
}

static void count_places(hwloc_topology_t topology, hwloc_const_cpuset_t here, hone_cpu_layout *out)
{
    out->packages = touched(topology, here, HWLOC_OBJ_PACKAGE);
    out->l3s = touched(topology, here, HWLOC_OBJ_L3CACHE);
    if (!out->packages) out->packages = 1;
    for (hwloc_obj_t node = NULL; (node = hwloc_get_next_obj_by_type(topology, HWLOC_OBJ_NUMANODE, node));) {
        if (!hwloc_bitmap_intersects(node->cpuset, here)) continue;
        if (out->nodes < HONE_CPU_NODES_MAX) out->node_bytes[out->nodes] = node->attr->numanode.local_memory;
        out->nodes++;
    }
    if (!out->nodes) out->nodes = 1;
    out->memory_bytes = hwloc_get_root_obj(topology)->total_memory;
}

bool hone_cpu_layout_of(hwloc_topology_t topology, hwloc_const_cpuset_t usable, hone_cpu_layout *out)
{
    memset(out, 0, sizeof *out);
    hwloc_bitmap_t here = hwloc_bitmap_dup(usable ? usable : hwloc_topology_get_topology_cpuset(topology));
    hwloc_bitmap_t sharing = hwloc_bitmap_alloc();
    bool           told = false;
    if (!here || !sharing) goto done;
    hwloc_bitmap_and(here, here, hwloc_topology_get_topology_cpuset(topology));
    out->threads = hwloc_bitmap_weight(here);
    out->cores = out->threads > 0 ? cores_in(topology, here) : 0;
    out->at_once = out->cores;
    if (out->cores <= 0) goto done;

    int strongest;
    note_first(topology, here, &out->first);
    count_kinds(topology, here, out, &strongest);
    count_places(topology, here, out);
    hwloc_obj_t pu = hwloc_get_pu_obj_by_os_index(topology, (unsigned)strongest);
    for (hwloc_obj_t at = pu; at; at = at->parent) {
        if (!hwloc_obj_type_is_dcache(at->type) || at->attr->cache.depth > HONE_LEVEL_MEMORY) continue;
        int level = (int)at->attr->cache.depth - 1;
        out->cache_bytes[level] = (size_t)at->attr->cache.size;
        if (!out->line_bytes) out->line_bytes = at->attr->cache.linesize;
        hwloc_bitmap_and(sharing, at->cpuset, here);
        out->cache_cores[level] = cores_in(topology, sharing);
    }
    const char *model = hwloc_obj_get_info_by_name(hwloc_get_root_obj(topology), "CPUModel");
    for (hwloc_obj_t at = pu; at && !model; at = at->parent) model = hwloc_obj_get_info_by_name(at, "CPUModel");
    if (model) snprintf(out->model, sizeof out->model, "%s", model);
    told = true;
done:
    hwloc_bitmap_free(sharing);
    hwloc_bitmap_free(here);
    return told;
}

bool hone_cpu_layout_by_hwloc(hone_cpu_layout *out)
{
    hwloc_topology_t topology;
    bool             told = false;
    memset(out, 0, sizeof *out);
    if (hwloc_topology_init(&topology) < 0) return false;
    hwloc_topology_set_all_types_filter(topology, HWLOC_TYPE_FILTER_KEEP_NONE); /* no devices, no groups */
    hwloc_topology_set_cache_types_filter(topology, HWLOC_TYPE_FILTER_KEEP_ALL);
    hwloc_topology_set_type_filter(topology, HWLOC_OBJ_PACKAGE, HWLOC_TYPE_FILTER_KEEP_ALL);
    hwloc_topology_set_type_filter(topology, HWLOC_OBJ_CORE, HWLOC_TYPE_FILTER_KEEP_ALL);
    if (hwloc_topology_load(topology) == 0) {
        hone_cpu_mask  mask;
        hwloc_bitmap_t usable = hwloc_bitmap_alloc();
        hone_cpu_usable(&mask);
        for (int cpu = hone_cpu_mask_next(&mask, 0); usable && cpu >= 0; cpu = hone_cpu_mask_next(&mask, cpu + 1))
            hwloc_bitmap_set(usable, (unsigned)cpu);
        told = hone_cpu_layout_of(topology, usable && !hwloc_bitmap_iszero(usable) ? usable : NULL, out);
        hwloc_bitmap_free(usable);
    }
    hwloc_topology_destroy(topology);
    return told;
}
