/* Any bytes as a row of an extent map: refused, or exactly what encoding gives again. */
#include <stdlib.h>
#include <string.h>

#include "store/extent_map.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t again[EXTENT_MAP_SIZE_MAX];
	struct extent_map map;
	uint64_t unit;

	(void)extent_map_key_unit(slice_of(data, size), &unit);
	if (extent_map_decode(slice_of(data, size), &map))
		return 0;
	if (extent_map_encode(&map, again) != size || memcmp(again, data, size) != 0)
		abort();
	return 0;
}
