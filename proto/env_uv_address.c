/* Parsing and printing addresses. */
#include "proto/env_uv_internal.h"

#include <ctype.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_port(const char *text)
{
	size_t size = strlen(text);

	return size > 0 && size <= 5 && strspn(text, "0123456789") == size && atoi(text) <= 65535;
}

static int parse_unix(const char *path, struct env_uv_address *address, struct status *status)
{
	if (path[0] != '/')
		return status_set(status, -EINVAL, "unix:%s: the path is not absolute", path);
	if (strlen(path) >= sizeof address->path)
		return status_set(status, -ENAMETOOLONG,
			"unix:%s: the path of a socket has at most %zu bytes", path,
			sizeof address->path - 1);
	address->is_unix = true;
	strcpy(address->path, path);
	return 0;
}

int env_uv_address_parse(const char *text, struct env_uv_address *address, struct status *status)
{
	const char *colon = strrchr(text, ':'), *host = text;
	size_t size;

	*address = (struct env_uv_address){0};
	if (strncmp(text, "unix:", 5) == 0)
		return parse_unix(text + 5, address, status);
	if (!colon || !is_port(colon + 1))
		return status_set(status, -EINVAL, "%s: expected HOST:PORT or unix:/PATH", text);
	size = (size_t)(colon - text);
	if (size > 2 && host[0] == '[' && host[size - 1] == ']') {
		host++;
		size -= 2;
	} else if (memchr(host, ':', size)) {
		return status_set(status, -EINVAL, "%s: an IPv6 address belongs in brackets", text);
	}
	if (memchr(host, '[', size) || memchr(host, ']', size))
		return status_set(status, -EINVAL, "%s: brackets belong around an IPv6 address", text);
	if (size == 0 || size >= sizeof address->host)
		return status_set(status, -EINVAL, "%s: the host is %s", text, size ? "too long" : "missing");
	memcpy(address->host, host, size);
	strcpy(address->port, colon + 1);
	return 0;
}

void env_uv_address_print(const struct sockaddr *address, char *text, size_t size)
{
	socklen_t length =
		address->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
	char host[256] = "?", port[6] = "?";

	getnameinfo(address, length, host, sizeof host, port, sizeof port, NI_NUMERICHOST | NI_NUMERICSERV);
	snprintf(text, size, address->sa_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
}
