#include "fs/stats/metrics.h"

#include <errno.h>
#include <inttypes.h>
#include <microhttpd.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "fs/stats/stats_text.h"
#include "proto/units.h"
#include "proto/version.h"

#define UNIX_PREFIX	 "unix:"
#define IDLE_TIMEOUT_S	 10
#define TEXT_TYPE	 "text/plain; version=0.0.4; charset=utf-8"
#define HTML_TYPE	 "text/html; charset=utf-8"
#define OPERATION_FAMILY "raftkv_fuse_ops_duration_seconds"

/* A connection. libmicrohttpd does not limit the time that one takes which sends a little now and then. */
struct visitor {
	int fd; /* -1: none */
	uint64_t since; /* env_now */
};

struct metrics {
	struct stats_source source;
	struct visitor visitors[METRICS_CONNECTIONS_MAX]; /* used by the server's thread alone */
	struct MHD_Daemon *daemon;
	struct sockaddr_un path; /* of the socket, which metrics_stop removes; sun_family 0: none */
};

/* ---- Pages ---- */

struct printing {
	FILE *file;
	const char *family; /* of the last stat */
};

static void print_stat(void *argument, const struct stat_value *stat)
{
	struct printing *printing = argument;

	if (!printing->family || strcmp(printing->family, stat->metric) != 0)
		fprintf(printing->file, "# HELP %s %s\n# TYPE %s %s\n", stat->metric, stat->help,
			stat->metric, stat->kind == STAT_COUNTER ? "counter" : "gauge");
	printing->family = stat->metric;
	fprintf(printing->file, "%s%s %" PRIu64 "\n", stat->metric, stat->labels, stat->value);
}

/* `label` is "op=\"read\"", or empty. */
static void print_histogram(
	FILE *file, const char *family, const char *label, const struct histogram_sums *sums)
{
	const char *comma = *label ? "," : "", *open = *label ? "{" : "", *close = *label ? "}" : "";
	uint64_t below = 0;

	for (unsigned i = 0; i < HISTOGRAM_BUCKET_COUNT - 1; i++) {
		below += sums->counts[i];
		fprintf(file, "%s_bucket{%s%sle=\"%g\"} %" PRIu64 "\n", family, label, comma,
			(double)histogram_bound_ns(i) / 1e9, below);
	}
	fprintf(file, "%s_bucket{%s%sle=\"+Inf\"} %" PRIu64 "\n", family, label, comma, sums->count);
	fprintf(file, "%s_sum%s%s%s %.9f\n", family, open, label, close, (double)sums->total_ns / 1e9);
	fprintf(file, "%s_count%s%s%s %" PRIu64 "\n", family, open, label, close, sums->count);
}

static void print_family(FILE *file, const char *family, const char *help)
{
	fprintf(file, "# HELP %s %s\n# TYPE %s histogram\n", family, help, family);
}

static void print_stage(void *argument, const struct stat_stage *stage)
{
	print_family(argument, stage->metric, stage->help);
	print_histogram(argument, stage->metric, "", &stage->sums);
}

static void print_operation(void *argument, const char *name, const struct histogram_sums *sums)
{
	char label[64];

	snprintf(label, sizeof label, "op=\"%s\"", name);
	print_histogram(argument, OPERATION_FAMILY, label, sums);
}

void metrics_print(const struct stats_source *source, FILE *file)
{
	struct printing printing = {.file = file};

	fputs("# HELP raftkv_build_info The version that runs.\n# TYPE raftkv_build_info gauge\n"
	      "raftkv_build_info{version=\"" RAFTKV_VERSION "\"} 1\n",
		file);
	stats_each(source, print_stat, &printing);
	stats_each_stage(source, print_stage, file);
	if (!source->front)
		return;
	print_family(file, OPERATION_FAMILY, "From a request of the kernel to its answer.");
	stats_each_operation(source, print_operation, file);
}

static void print_stat_row(void *argument, const struct stat_value *stat)
{
	fprintf(argument, "<tr><td>%s<td align=right>%" PRIu64 "<td>%s\n", stat->name, stat->value,
		stat->help);
}

static void print_durations_row(FILE *file, const char *name, const struct histogram_sums *sums)
{
	if (sums->count > 0)
		fprintf(file,
			"<tr><td>%s<td align=right>%" PRIu64 "<td align=right>%.0f<td align=right>%.0f\n",
			name, sums->count, (double)sums->total_ns / 1e3 / (double)sums->count,
			(double)histogram_quantile_ns(sums, 990) / 1e3);
}

static void print_stage_row(void *argument, const struct stat_stage *stage)
{
	print_durations_row(argument, stage->name, &stage->sums);
}

static void print_operation_row(void *argument, const char *name, const struct histogram_sums *sums)
{
	print_durations_row(argument, name, sums);
}

#define DURATIONS(title, noun)                                                                               \
	"<h2>" title "</h2><table><tr><th>" noun "<th>count<th>mean, &micro;s<th>99 % below, &micro;s\n"

static void print_page(const struct stats_source *source, FILE *file)
{
	fputs("<!DOCTYPE html><html lang=en><meta "
	      "charset=utf-8><title>raftkv</title><h1>raftkv " RAFTKV_VERSION
	      "</h1><p><a href=/metrics>metrics</a>\n<table><tr><th>stat<th>value<th>meaning\n",
		file);
	stats_each(source, print_stat_row, file);
	fputs("</table>\n" DURATIONS("Stages of a change", "stage"), file);
	stats_each_stage(source, print_stage_row, file);
	fputs("</table>\n", file);
	if (source->front) {
		fputs(DURATIONS("Operations", "operation"), file);
		stats_each_operation(source, print_operation_row, file);
		fputs("</table>\n", file);
	}
	fputs("</html>\n", file);
}

/* ---- HTTP ---- */

static enum MHD_Result metrics_answer(struct MHD_Connection *connection, unsigned code, const char *type,
	void (*print)(const struct stats_source *source, FILE *file), const struct metrics *metrics)
{
	char *text = NULL;
	size_t size = 0;
	FILE *file = open_memstream(&text, &size);
	struct MHD_Response *response;
	enum MHD_Result result;

	if (!file)
		return MHD_NO;
	if (print)
		print(&metrics->source, file);
	else
		fputs("there are /, /metrics and /stats\n", file);
	if (fclose(file) != 0) {
		free(text);
		return MHD_NO;
	}
	response = MHD_create_response_from_buffer(size, text, MHD_RESPMEM_MUST_FREE);
	if (!response) {
		free(text);
		return MHD_NO;
	}
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	result = MHD_queue_response(connection, code, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result on_request(void *argument, struct MHD_Connection *connection, const char *url,
	const char *method, const char *version, const char *upload, size_t *upload_size, void **context)
{
	const struct metrics *metrics = argument;

	(void)version;
	(void)upload;
	(void)upload_size;
	(void)context;
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		return metrics_answer(connection, MHD_HTTP_METHOD_NOT_ALLOWED, TEXT_TYPE, NULL, metrics);
	if (strcmp(url, "/metrics") == 0)
		return metrics_answer(connection, MHD_HTTP_OK, TEXT_TYPE, metrics_print, metrics);
	if (strcmp(url, "/stats") == 0)
		return metrics_answer(connection, MHD_HTTP_OK, TEXT_TYPE, stats_text_print, metrics);
	if (strcmp(url, "/") == 0)
		return metrics_answer(connection, MHD_HTTP_OK, HTML_TYPE, print_page, metrics);
	return metrics_answer(connection, MHD_HTTP_NOT_FOUND, TEXT_TYPE, NULL, metrics);
}

/* ---- Connections ---- */

static int fd_of(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);

	return info ? info->connect_fd : -1;
}

/* The entry of a descriptor; with -1, a free entry. */
static struct visitor *find_visitor(struct metrics *metrics, int fd)
{
	for (size_t i = 0; i < METRICS_CONNECTIONS_MAX; i++)
		if (metrics->visitors[i].fd == fd)
			return &metrics->visitors[i];
	return NULL;
}

/* Shuts down connections that have been open for too long, and the oldest one when no entry is free. A request for
 * stats takes no time, so none of these is needed. The server closes the connections that are shut down here. */
static void metrics_make_room(struct metrics *metrics, uint64_t now)
{
	struct visitor *oldest = NULL;

	for (size_t i = 0; i < METRICS_CONNECTIONS_MAX; i++) {
		struct visitor *visitor = &metrics->visitors[i];

		if (visitor->fd >= 0 && now - visitor->since > IDLE_TIMEOUT_S * NS_PER_S)
			shutdown(visitor->fd, SHUT_RDWR);
		if (visitor->fd >= 0 && (!oldest || visitor->since < oldest->since))
			oldest = visitor;
	}
	if (!find_visitor(metrics, -1) && oldest)
		shutdown(oldest->fd, SHUT_RDWR);
}

static void on_connection(void *argument, struct MHD_Connection *connection, void **context,
	enum MHD_ConnectionNotificationCode code)
{
	struct metrics *metrics = argument;
	bool is_new = code == MHD_CONNECTION_NOTIFY_STARTED;
	struct visitor *visitor = find_visitor(metrics, is_new ? -1 : fd_of(connection));

	(void)context;
	if (!visitor)
		return;
	visitor->fd = is_new ? fd_of(connection) : -1;
	visitor->since = env_now(metrics->source.env);
	if (is_new)
		metrics_make_room(metrics, visitor->since);
}

/* ---- Listening ---- */

/* The fchmod before bind(2) sets the mode of a Unix socket's path. */
static int listen_on(const struct sockaddr *address, socklen_t size)
{
	int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1, code;

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	fchmod(fd, 0600);
	if (bind(fd, address, size) == 0 && listen(fd, METRICS_CONNECTIONS_MAX) == 0)
		return fd;
	code = -errno;
	close(fd);
	return code;
}

/* Removes the socket of a process that does not listen on the path any more. */
static int listen_on_path(struct metrics *metrics, const char *path)
{
	struct sockaddr_un *address = &metrics->path;
	struct stat old;
	int fd, probe;

	if (strlen(path) >= sizeof address->sun_path)
		return -ENAMETOOLONG;
	address->sun_family = AF_UNIX;
	strcpy(address->sun_path, path);
	if (lstat(path, &old) == 0 && S_ISSOCK(old.st_mode)) {
		probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (probe >= 0 && connect(probe, (struct sockaddr *)address, sizeof *address) < 0 &&
			errno == ECONNREFUSED)
			unlink(path);
		if (probe >= 0)
			close(probe);
	}
	fd = listen_on((struct sockaddr *)address, sizeof *address);
	if (fd < 0)
		address->sun_family = 0;
	return fd;
}

static int listen_on_port(const char *address)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
	const char *colon = strrchr(address, ':');
	char host[256];
	struct addrinfo *found;
	int fd;

	if (!colon || (size_t)(colon - address) >= sizeof host)
		return -EINVAL;
	memcpy(host, address, (size_t)(colon - address));
	host[colon - address] = '\0';
	if (getaddrinfo(host[0] ? host : NULL, colon + 1, &hints, &found) != 0)
		return -EADDRNOTAVAIL;
	fd = listen_on(found->ai_addr, found->ai_addrlen);
	freeaddrinfo(found);
	return fd;
}

int metrics_start(
	const struct stats_source *source, const char *address, struct metrics **out, struct status *status)
{
	bool is_path = strncmp(address, UNIX_PREFIX, strlen(UNIX_PREFIX)) == 0;
	struct metrics *metrics = calloc(1, sizeof *metrics);
	int fd;

	*out = NULL;
	if (!metrics)
		return status_set(status, -ENOMEM, "out of memory");
	metrics->source = *source;
	for (size_t i = 0; i < METRICS_CONNECTIONS_MAX; i++)
		metrics->visitors[i].fd = -1;
	fd = is_path ? listen_on_path(metrics, address + strlen(UNIX_PREFIX)) : listen_on_port(address);
	if (fd < 0) {
		free(metrics);
		return status_set(status, fd,
			"metrics: cannot listen on %s: %s (it is to be 'unix:/path' or 'host:port')", address,
			strerror(-fd));
	}
	metrics->daemon = MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD, 0, NULL, NULL, on_request,
		metrics, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT, METRICS_CONNECTIONS_MAX,
		MHD_OPTION_CONNECTION_TIMEOUT, IDLE_TIMEOUT_S, MHD_OPTION_NOTIFY_CONNECTION, on_connection,
		metrics, MHD_OPTION_END);
	if (!metrics->daemon) {
		close(fd);
		metrics_stop(metrics);
		return status_set(status, -ENOMEM, "metrics: the HTTP server does not start");
	}
	*out = metrics;
	return 0;
}

void metrics_stop(struct metrics *metrics)
{
	if (!metrics)
		return;
	if (metrics->daemon)
		MHD_stop_daemon(metrics->daemon);
	if (metrics->path.sun_family == AF_UNIX)
		unlink(metrics->path.sun_path);
	free(metrics);
}
