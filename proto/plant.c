#include "proto/plant.h"

#ifdef RAFTKV_PLANT

#include <string.h>

static const char *chosen; /* written once, before threads start; test builds only */

void plant_choose(const char *name)
{
	chosen = name;
}

bool planted(const char *name)
{
	return chosen && strcmp(chosen, name) == 0;
}

#else

typedef int plant_is_compiled_out; /* ISO C wants a declaration in every file */

#endif
