#include "mount-helpers/size_text.h"

#include <stddef.h>
#include <stdio.h>

const char *size_text(uint64_t bytes, char text[SIZE_TEXT_SIZE])
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
	double value = (double)bytes;
	size_t unit = 0;

	while (value >= 1024 && unit < sizeof units / sizeof *units - 1) {
		value /= 1024;
		unit++;
	}
	snprintf(text, SIZE_TEXT_SIZE, unit == 0 ? "%.0f %s" : "%.1f %s", value, units[unit]);
	return text;
}
