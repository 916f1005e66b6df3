/*
 * store_list.h: a list of the addresses of stores, as people write it: "a:7420,b:7420,c:7420".
 *
 * The list with which a cluster is created identifies it: the n-th address is store n, and the cluster's id is a hash
 * of the whole list, and of the number of its first regions where that is not one. So stores that were given different
 * lists, or would make different regions, never take each other for members of one cluster.
 */
#ifndef RAFTKV_FS_SCHEMA_STORE_LIST_H
#define RAFTKV_FS_SCHEMA_STORE_LIST_H

#include <stdint.h>

#include "proto/status.h"

#define STORE_LIST_COUNT_MAX 64u /* a region has no more replicas */

struct store_list {
	uint32_t count;
	const char *addresses[STORE_LIST_COUNT_MAX]; /* "host:port" or "unix:/path" */
	char *text; /* the list's own copy */
};

/* 0; -ENOMEM; -EINVAL with a sentence: too many addresses, not an address (an empty one, too), or one address twice. */
int store_list_parse(struct store_list *list, const char *text, struct status *status);
void store_list_close(struct store_list *list);

/* The place of an address, from 1; 0: it is not in the list. */
uint32_t store_list_find(const struct store_list *list, const char *address);
/* The id, never 0, of the cluster that begins with those stores and so many regions. */
uint64_t store_list_cluster(const struct store_list *list, uint32_t regions);

#endif
