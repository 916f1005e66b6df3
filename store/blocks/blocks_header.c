/*
 * The header of a block file and the checksum of a unit.
 *
 *	0   8  "RKVBLOCK"       16  8  identity of the store      32  8  units of a file
 *	8   4  version (1)      24  8  number of the file         40  …  zeroes
 *	12  4  checksum of the unit, taken with this field zero
 */
#include <string.h>

#include "proto/codec.h"
#include "store/blocks/blocks_internal.h"
#include "store/disk/checksum.h"

#define MAGIC	"RKVBLOCK"
#define VERSION 1

uint32_t blocks_checksum(const void *unit)
{
	return (uint32_t)checksum_of(unit, BLOCK_UNIT_SIZE, 0);
}

void blocks_header_encode(const struct blocks_header *header, void *unit)
{
	struct writer writer = writer_fixed(unit, BLOCK_UNIT_SIZE);

	memset(unit, 0, BLOCK_UNIT_SIZE);
	writer_bytes(&writer, MAGIC, 8);
	writer_u32le(&writer, VERSION);
	writer_u32le(&writer, 0);
	writer_u64le(&writer, header->identity);
	writer_u64le(&writer, header->number);
	writer_u64le(&writer, header->file_units);
	writer_patch_u32le(&writer, 12, blocks_checksum(unit));
}

int blocks_header_decode(const void *unit, struct blocks_header *header)
{
	unsigned char again[BLOCK_UNIT_SIZE];
	struct reader reader = reader_of(slice_of(unit, BLOCK_UNIT_SIZE));

	reader_bytes(&reader, 16);
	header->identity = reader_u64le(&reader);
	header->number = reader_u64le(&reader);
	header->file_units = reader_u64le(&reader);
	blocks_header_encode(header, again); /* the encoding is unique */
	return memcmp(again, unit, sizeof again) == 0 ? 0 : STATUS_CORRUPT;
}
