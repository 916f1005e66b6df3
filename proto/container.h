/* From a pointer to an embedded member, such as a request, to the struct that owns it. */
#ifndef RAFTKV_PROTO_CONTAINER_H
#define RAFTKV_PROTO_CONTAINER_H

#include <stddef.h>

#define container_of(pointer, type, member) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

#endif
