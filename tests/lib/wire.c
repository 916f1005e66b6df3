#include "tests/lib/wire.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/check.h"
#include "tests/lib/test.h"

#define PATH_SIZE     256
#define FILE_SIZE_MAX (1u << 20) /* bytes of a file */

static const uint8_t tail[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0};

static FILE *open_file(const char *name, const char *mode)
{
	char path[PATH_SIZE];

	snprintf(path, sizeof path, "tests/data/wire/%s", name);
	return fopen(path, mode);
}

struct buf *wire_read(const char *name)
{
	FILE *file = open_file(name, "rb");
	struct buf *bytes = buf_new(FILE_SIZE_MAX), *copy;

	check(bytes != NULL);
	if (!file)
		fail_msg("tests/data/wire/%s: %s; RAFTKV_RECORD=1 makes it", name, strerror(errno));
	bytes->size = fread(bytes->data, 1, FILE_SIZE_MAX, file);
	check(fclose(file) == 0);
	copy = buf_copy(bytes->data, bytes->size); /* so that ASan sees a read past it */
	check(copy != NULL);
	buf_unref(bytes);
	return copy;
}

void wire_record(const char *name, struct slice bytes)
{
	FILE *file = getenv("RAFTKV_RECORD") ? open_file(name, "wbx") : NULL;

	if (!file)
		return;
	check(fwrite(bytes.data, 1, bytes.size, file) == bytes.size);
	check(fclose(file) == 0);
}

void wire_expect(const char *name, struct slice bytes)
{
	const uint8_t *now = bytes.data, *then;
	struct buf *recorded;
	size_t at = 0;

	wire_record(name, bytes);
	recorded = wire_read(name);
	then = recorded->data;
	while (at < bytes.size && at < recorded->size && now[at] == then[at])
		at++;
	if (at < bytes.size || at < recorded->size)
		fail_msg("tests/data/wire/%s: %zu bytes were recorded, %zu are written now, byte %zu is "
			 "another",
			name, recorded->size, bytes.size, at);
	buf_unref(recorded);
}

struct buf *wire_with_tail(struct slice bytes, size_t zeros)
{
	struct buf *longer = buf_new(bytes.size + zeros + sizeof tail);
	uint8_t *end;

	check(longer != NULL);
	end = longer->data;
	if (bytes.size > 0)
		memcpy(end, bytes.data, bytes.size);
	memset(end + bytes.size, 0, zeros);
	memcpy(end + bytes.size + zeros, tail, sizeof tail);
	return longer;
}
