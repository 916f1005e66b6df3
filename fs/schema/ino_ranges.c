#include "fs/schema/ino_ranges.h"

#include "proto/check.h"
#include "proto/codec.h"
#include "proto/status.h"

#define VERSION	   1u
#define RANGE_SIZE (10u + 5u) /* bytes, at most */

void ino_ranges_clear(struct ino_ranges *ranges)
{
	ranges->range_count = ranges->count = 0;
}

uint64_t ino_ranges_end(const struct ino_ranges *ranges)
{
	const struct ino_range *last;

	if (ranges->range_count == 0)
		return 0;
	last = &ranges->ranges[ranges->range_count - 1];
	return last->first + last->count;
}

bool ino_ranges_add(struct ino_ranges *ranges, uint64_t ino)
{
	uint64_t end = ino_ranges_end(ranges);

	check(ino >= end);
	if (ranges->count == INO_RANGES_COUNT_MAX)
		return false;
	if (ranges->range_count > 0 && ino == end) {
		ranges->ranges[ranges->range_count - 1].count++;
	} else {
		if (ranges->range_count == INO_RANGES_MAX)
			return false;
		ranges->ranges[ranges->range_count++] = (struct ino_range){.first = ino, .count = 1};
	}
	ranges->count++;
	return true;
}

bool ino_ranges_has(const struct ino_ranges *ranges, uint64_t ino)
{
	uint32_t low = 0, high = ranges->range_count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		const struct ino_range *range = &ranges->ranges[middle];

		if (ino < range->first)
			high = middle;
		else if (ino - range->first >= range->count)
			low = middle + 1;
		else
			return true;
	}
	return false;
}

bool ino_ranges_next(const struct ino_ranges *ranges, struct ino_position *position, uint64_t *ino)
{
	if (position->range == ranges->range_count)
		return false;
	*ino = ranges->ranges[position->range].first + position->offset;
	if (++position->offset == ranges->ranges[position->range].count) {
		position->offset = 0;
		position->range++;
	}
	return true;
}

void ino_ranges_join(const struct ino_ranges *one, const struct ino_ranges *other, struct ino_ranges *joined)
{
	struct ino_position of_one = {0}, of_other = {0};
	uint64_t left = 0, right = 0;
	bool has_left = ino_ranges_next(one, &of_one, &left);
	bool has_right = ino_ranges_next(other, &of_other, &right);
	bool has_room = true;

	ino_ranges_clear(joined);
	while (has_room && (has_left || has_right)) {
		uint64_t least = !has_right || (has_left && left < right) ? left : right;

		has_room = ino_ranges_add(joined, least);
		if (has_left && left == least)
			has_left = ino_ranges_next(one, &of_one, &left);
		if (has_right && right == least)
			has_right = ino_ranges_next(other, &of_other, &right);
	}
}

/* Each range is its distance from the end of the one before, and its count. */
int ino_ranges_encode(const struct ino_ranges *ranges, struct buf **bytes)
{
	struct writer writer = writer_growing(16u + (size_t)ranges->range_count * RANGE_SIZE);
	uint64_t end = 0;
	int status;

	writer_u8(&writer, VERSION);
	writer_varint(&writer, ranges->range_count);
	for (uint32_t i = 0; i < ranges->range_count; i++) {
		writer_varint(&writer, ranges->ranges[i].first - end);
		writer_varint(&writer, ranges->ranges[i].count);
		end = ranges->ranges[i].first + ranges->ranges[i].count;
	}
	status = writer_take(&writer, bytes);
	writer_close(&writer);
	return status;
}

static bool read_range(struct reader *reader, struct ino_ranges *ranges, uint64_t *end)
{
	uint64_t distance = reader_varint(reader), count = reader_varint(reader);

	if (count == 0 || count > INO_RANGES_COUNT_MAX - ranges->count || distance > UINT64_MAX - *end ||
		count > UINT64_MAX - *end - distance)
		return false;
	ranges->ranges[ranges->range_count++] =
		(struct ino_range){.first = *end + distance, .count = (uint32_t)count};
	ranges->count += (uint32_t)count;
	*end += distance + count;
	return true;
}

int ino_ranges_decode(struct slice bytes, struct ino_ranges *ranges)
{
	struct reader reader = reader_of(bytes);
	uint64_t range_count, end = 0;

	ino_ranges_clear(ranges);
	if (reader_u8(&reader) != VERSION)
		return STATUS_MALFORMED;
	range_count = reader_varint(&reader);
	if (range_count > INO_RANGES_MAX)
		return STATUS_MALFORMED;
	for (uint64_t i = 0; i < range_count; i++)
		if (!read_range(&reader, ranges, &end))
			return STATUS_MALFORMED;
	return reader_finish(&reader);
}
