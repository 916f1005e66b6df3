#include "mount-helpers/tree_regions.h"

#include <errno.h>
#include <fts.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fs/schema/keys.h"

struct tree_regions {
	const Raftkv__OverviewReply *overview;
	bool *are_found; /* by their places in the overview */
	int (*add)(void *argument, uint64_t region);
	void *argument;
};

static struct slice start_of(const Raftkv__OverviewRegion *region)
{
	return slice_of(region->start.data, region->start.len);
}

static bool ends_before(const Raftkv__OverviewRegion *region, struct slice key)
{
	return region->end.len > 0 && slice_compare(slice_of(region->end.data, region->end.len), key) <= 0;
}

/* Until a split has reached all stores, two regions may claim the key: the one that begins last is the later one. */
static size_t find_region(const Raftkv__OverviewReply *overview, struct slice key)
{
	size_t low = 0, high = overview->n_regions; /* it begins behind the key */

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (slice_compare(start_of(overview->regions[middle]), key) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low == 0 || ends_before(overview->regions[low - 1], key) ? overview->n_regions : low - 1;
}

static int add_directory(struct tree_regions *tree, const FTSENT *entry, struct status *status)
{
	struct fs_key key = fs_key_dirid(fs_ino_dirid(entry->fts_statp->st_ino));
	size_t place = find_region(tree->overview, fs_key_slice(&key));

	if (place == tree->overview->n_regions)
		return status_set(status, STATUS_REGION_NOT_FOUND,
			"no region of the cluster is known to have %.150s; see 'raftkv region ls'",
			entry->fts_path);
	if (tree->are_found[place])
		return 0;
	tree->are_found[place] = true;
	if (tree->add(tree->argument, tree->overview->regions[place]->region) < 0)
		return status_set(status, -ENOMEM, "out of memory");
	return 0;
}

static int walk(struct tree_regions *tree, FTS *fts, struct status *status)
{
	const FTSENT *entry;
	int code = 0;

	while (code == 0 && (errno = 0, entry = fts_read(fts)) != NULL) {
		if (entry->fts_info == FTS_D)
			code = add_directory(tree, entry, status);
		else if (entry->fts_info == FTS_DNR || entry->fts_info == FTS_ERR ||
			 (entry->fts_info == FTS_NS && entry->fts_errno != ENOENT))
			code = status_set(status, -entry->fts_errno, "%.150s: %s", entry->fts_path,
				strerror(entry->fts_errno));
	}
	return code == 0 && errno != 0
		       ? status_set(status, -errno, "the walk ends early: %s", strerror(errno))
		       : code;
}

int tree_regions_find(const char *path, const Raftkv__OverviewReply *overview,
	int (*add)(void *argument, uint64_t region), void *argument, struct status *status)
{
	struct tree_regions tree = {.overview = overview, .add = add, .argument = argument};
	char *const paths[] = {(char *)(uintptr_t)path, NULL};
	FTS *fts = fts_open(paths, FTS_PHYSICAL | FTS_XDEV | FTS_NOCHDIR, NULL);
	int code = -ENOMEM;

	tree.are_found = calloc(overview->n_regions + 1, sizeof *tree.are_found);
	if (fts && tree.are_found)
		code = walk(&tree, fts, status);
	else
		status_set(status, code, "out of memory");
	if (fts)
		fts_close(fts);
	free(tree.are_found);
	return code;
}
