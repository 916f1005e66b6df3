#include "tests/lib/patience.h"

#include <stdlib.h>

int patience(int seconds)
{
	const char *text = getenv("RAFTKV_PATIENCE");
	int factor = text ? atoi(text) : 1;

	return seconds * (factor > 1 ? factor : 1);
}
