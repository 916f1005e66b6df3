/* units.h: lengths of time in nanoseconds, as env_now and timers count them. */
#ifndef RAFTKV_PROTO_UNITS_H
#define RAFTKV_PROTO_UNITS_H

#include <stdint.h>

#define NS_PER_US UINT64_C(1000)
#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S  UINT64_C(1000000000)

#endif
