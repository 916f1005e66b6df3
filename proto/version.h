/* The version of the whole product; formats on disk and on the wire have versions of their own. */
#ifndef RAFTKV_PROTO_VERSION_H
#define RAFTKV_PROTO_VERSION_H

#define RAFTKV_VERSION "0.1.0"

#endif
