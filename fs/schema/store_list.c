#include "fs/schema/store_list.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "fs/schema/records.h"
#include "fs/schema/siphash.h"
#include "proto/plant.h"

/* "host:port", the host in brackets when it has colons, or "unix:/path". */
static bool is_address(const char *address)
{
	const char *port = strrchr(address, ':');
	const char *first = strchr(address, ':');

	if (strncmp(address, "unix:", 5) == 0)
		return address[5] == '/';
	if (!port || port == address || (first != port && (*address != '[' || port[-1] != ']')))
		return false;
	return port[1] != '\0' && strlen(port + 1) <= 5 &&
	       strspn(port + 1, "0123456789") == strlen(port + 1) &&
	       strtoul(port + 1, NULL, 10) <= UINT16_MAX;
}

static int add(struct store_list *list, const char *address, struct status *status)
{
	if (list->count == STORE_LIST_COUNT_MAX)
		return status_set(
			status, -EINVAL, "a list of stores has at most %u addresses", STORE_LIST_COUNT_MAX);
	if (strlen(address) > RECORD_ADDRESS_SIZE_MAX || !is_address(address))
		return status_set(status, -EINVAL, "'%.80s' is no address: host:port or unix:/path", address);
	if (store_list_find(list, address) > 0)
		return status_set(status, -EINVAL, "%.200s is in the list twice", address);
	list->addresses[list->count++] = address;
	return 0;
}

int store_list_parse(struct store_list *list, const char *text, struct status *status)
{
	char *rest, *address;
	int code = 0;

	*list = (struct store_list){.text = strdup(text)};
	rest = list->text;
	if (!rest)
		return status_set(status, -ENOMEM, "out of memory");
	while (code == 0 && (address = strsep(&rest, ",")))
		code = add(list, address, status);
	if (code < 0)
		store_list_close(list);
	return code;
}

void store_list_close(struct store_list *list)
{
	free(list->text);
	*list = (struct store_list){0};
}

uint32_t store_list_find(const struct store_list *list, const char *address)
{
	for (uint32_t i = 0; i < list->count; i++)
		if (strcmp(list->addresses[i], address) == 0)
			return i + 1;
	return 0;
}

uint64_t store_list_cluster(const struct store_list *list, uint32_t regions)
{
	uint64_t key[2] = {0, 0};
	const uint8_t count[4] = {(uint8_t)regions, (uint8_t)(regions >> 8), (uint8_t)(regions >> 16),
		(uint8_t)(regions >> 24)};

	for (uint32_t i = 0; i < list->count; i++)
		key[1] = siphash(key, slice_of(list->addresses[i], strlen(list->addresses[i])));
	if (regions > 1 && !planted("admin:regions_not_in_the_cluster"))
		key[1] = siphash(key, slice_of(count, sizeof count));
	return key[1] > 0 ? key[1] : 1;
}
