/* time_units.h: units of time in nanoseconds, which all of env's clocks and timers count in. */
#ifndef RAFTKV_PROTO_TIME_UNITS_H
#define RAFTKV_PROTO_TIME_UNITS_H

#include <stdint.h>

#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S  UINT64_C(1000000000)

#endif
