/*
 * load_split.h: where a busy region is to be split so that each half has about half of its load. Pure.
 *
 * It goes by a sample of the dirids that the region's requests were for, in which a dirid stands as often as its part of
 * the load is large. A region of which nearly all load belongs to one dirid, a busy directory or file, cannot be split to
 * any use.
 */
#ifndef RAFTKV_FS_REGIONS_LOAD_SPLIT_H
#define RAFTKV_FS_REGIONS_LOAD_SPLIT_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/codec.h"

/* A split is of use whose busier half has so many percent of the load at most. */
#define LOAD_SPLIT_HALF_MAX 75u

struct load_split {
	bool may_split; /* at `dirid` */
	uint64_t dirid; /* or the one that has most of the load; 0: the root's, or there is no sample */
};

/* `start`, `end`: the region's range of keys. Sorts the dirids; those outside of the range do not count. Where it may split,
 * fs_split_is_wide_enough holds for the key of `dirid`. */
struct load_split load_split_choose(struct slice start, struct slice end, uint64_t *dirids, uint32_t count);

#endif
