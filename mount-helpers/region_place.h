/*
 * region_place.h: how a command line names a region: by its id; as dirid:NUMBER, decimal or with 0x, by a dirid that it
 * has; or by the path of a file in a mount, whose dirid it has.
 */
#ifndef RAFTKV_MOUNT_HELPERS_REGION_PLACE_H
#define RAFTKV_MOUNT_HELPERS_REGION_PLACE_H

#include <stdbool.h>
#include <stdint.h>

#include "fs/schema/keys.h"
#include "proto/status.h"

struct region_place {
	const char *text; /* of the command line */
	uint64_t region; /* 0: the dirid says which */
	uint64_t dirid;
	bool is_path, is_directory;
};

/* 0, or a negative status with a sentence. A text of digits is an id; a path that begins with one is written "./7". */
int region_place_read(const char *text, struct region_place *place, struct status *status);
/* The first key of the dirid. */
struct fs_key region_place_key(const struct region_place *place);
/* The same in hexadecimal digits. */
void region_place_print_key(const struct region_place *place, char text[2 * FS_KEY_SIZE_MAX + 1]);

#endif
