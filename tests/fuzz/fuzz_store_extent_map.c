/* Any bytes as a row of an extent map: refused, or exactly what encoding gives again. */
#include <stdlib.h>
#include <string.h>

#include "store/rows/extent_map.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct extent_row row;
	struct buf *again;

	if (extent_row_decode(slice_of(data, size), &row))
		return 0;
	if (extent_row_encode(&row, &again) || !again || again->size != size ||
		memcmp(again->data, data, size) != 0)
		abort();
	buf_unref(again);
	return 0;
}
