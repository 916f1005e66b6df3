/* From a member that is embedded in a struct back to the struct: requests in their owners. */
#ifndef RAFTKV_PROTO_CONTAINER_H
#define RAFTKV_PROTO_CONTAINER_H

#include <stddef.h>

#define container_of(pointer, type, member) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

#endif
