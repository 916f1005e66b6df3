#include "mount-helpers/region_place.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "mount-helpers/mountinfo.h"

#define DIRID_PREFIX "dirid:"

/* `text` begins with a digit, as "-1" and blanks do not. */
static bool read_number(const char *text, int base, uint64_t *number)
{
	char *end;

	errno = 0;
	*number = strtoull(text, &end, base);
	return *text >= '0' && *text <= '9' && *end == '\0' && errno == 0;
}

static bool is_number(const char *text)
{
	return *text != '\0' && strspn(text, "0123456789") == strlen(text);
}

static int read_dirid(const char *text, struct region_place *place, struct status *status)
{
	if (read_number(text + strlen(DIRID_PREFIX), 0, &place->dirid) && place->dirid < FS_DIRID_END)
		return 0;
	return status_set(status, -EINVAL,
		"'%.80s' is no dirid: it is a number below 2^%d, as " DIRID_PREFIX
		"34359738368 or " DIRID_PREFIX "0x800000000",
		text, FS_DIRID_BITS);
}

static int read_path(const char *text, struct region_place *place, struct status *status)
{
	struct stat attributes;
	struct mountinfo mount;

	if (stat(text, &attributes) < 0)
		return status_set(status, -errno,
			"'%.150s' is no region's number, no " DIRID_PREFIX "NUMBER, and no path: %s", text,
			strerror(errno));
	place->is_path = true;
	place->is_directory = S_ISDIR(attributes.st_mode);
	place->dirid = fs_ino_dirid(attributes.st_ino);
	if (mountinfo_find_device(attributes.st_dev, &mount) && strcmp(mount.type, "fuse.raftkv") == 0 &&
		place->dirid < FS_DIRID_END)
		return 0;
	return status_set(status, -EINVAL, "%.150s is in no mount of raftkv", text);
}

int region_place_read(const char *text, struct region_place *place, struct status *status)
{
	*place = (struct region_place){.text = text};
	if (strncmp(text, DIRID_PREFIX, strlen(DIRID_PREFIX)) == 0)
		return read_dirid(text, place, status);
	if (!is_number(text))
		return read_path(text, place, status);
	if (read_number(text, 10, &place->region) && place->region > 0)
		return 0;
	return status_set(status, -EINVAL, "'%.80s' is no region's number", text);
}

struct fs_key region_place_key(const struct region_place *place)
{
	return fs_key_dirid(place->dirid);
}

void region_place_print_key(const struct region_place *place, char text[2 * FS_KEY_SIZE_MAX + 1])
{
	struct fs_key key = region_place_key(place);

	for (uint16_t i = 0; i < key.size; i++)
		snprintf(text + (size_t)2 * i, 3, "%02x", key.bytes[i]);
}
