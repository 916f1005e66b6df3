/* raftkvd: a store of a cluster. See raftkvd(8). */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "fs/server/notify.h"
#include "fs/server/options.h"
#include "fs/server/process.h"
#include "proto/version.h"

#define NAME	    "raftkvd"
#define DESCRIPTORS 65536u

/* Exit codes of raftkvd(8). */
enum {
	EXIT_OK = 0,
	EXIT_STORE = 1, /* the store cannot be opened, or cannot go on */
	EXIT_USAGE = 2,
};

static const char help[] =
	"usage: raftkvd --data DIRECTORY {--initial-cluster | --join} LIST [OPTION...]\n"
	"\n"
	"  --data DIRECTORY        of the store: made if absent\n"
	"  --initial-cluster LIST  the addresses of all stores that begin the cluster, in the same\n"
	"                          order on each of them: host:port,host:port,...\n"
	"  --join LIST             a new store: the addresses of some stores of a cluster that is there;\n"
	"                          of a store that has joined: whom to ask for the others\n"
	"  --listen ADDRESS        unix:/path, for root and this user, or host:port\n"
	"                          (" CONFIG_LISTEN ")\n"
	"  --advertise ADDRESS     which of the list this store is, when it listens elsewhere\n"
	"  --insecure              listen on a port: whoever reaches it is root of the files\n"
	"  --config FILE           default: " CONFIG_PATH ", if there is one\n"
	"  --SECTION.KEY=VALUE     any setting of raftkv.conf(5)\n"
	"\n"
	"exit status: 0 it was told to end, 1 the store cannot be opened or go on, 2 usage\n"
	"example: raftkvd --data /var/lib/raftkv/1 --listen unix:/run/raftkv/1 \\\n"
	"           --initial-cluster unix:/run/raftkv/1,unix:/run/raftkv/2,unix:/run/raftkv/3\n"
	"         raftkvd --data /var/lib/raftkv/4 --listen 0.0.0.0:7420 --advertise store4:7420 \\\n"
	"           --join store1:7420 --insecure\n"
	"See raftkvd(8).\n";

static int fail(const struct status *status, int exit_code)
{
	fprintf(stderr, NAME ": %s\n", status_sentence(status));
	return exit_code;
}

static void on_store_failed(void *argument, int status, const char *sentence)
{
	const struct logger *logger = argument;

	log_error(logger, "msg=\"the store can not go on\" reason=\"%s\" status=\"%s\"", sentence,
		status_name(status));
	_exit(EXIT_STORE);
}

static void tell(const char *state, const struct logger *logger)
{
	int status = notify_send(state);

	if (status < 0)
		log_warn(logger, "msg=\"who started this process cannot be told\" state=%s reason=\"%s\"",
			state, status_name(status));
}

static void block_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGINT);
	sigprocmask(SIG_BLOCK, set, NULL);
	signal(SIGPIPE, SIG_IGN);
}

/* Each connection needs a descriptor. The usual soft limit is low for programs that use select(2). */
static void allow_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= DESCRIPTORS)
		return;
	limit.rlim_cur = limit.rlim_max < DESCRIPTORS ? limit.rlim_max : DESCRIPTORS;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static int raftkvd_run(const struct config *config, struct logger *logger)
{
	const struct process_options options = {
		.config = config, .logger = logger, .failed = on_store_failed, .failed_argument = logger};
	struct status status = {0};
	struct process *process;
	struct ident ident;
	sigset_t signals;
	int code, signal_ = 0;

	block_signals(&signals);
	allow_descriptors();
	code = process_open(&options, &process, &status);
	if (code < 0)
		return fail(&status, code == -EINVAL ? EXIT_USAGE : EXIT_STORE);
	ident = process_ident(process);
	log_info(logger,
		"msg=\"ready\" store=%" PRIu64 " cluster=%016" PRIx64 " incarnation=%" PRIu64
		" address=\"%s\" version=" RAFTKV_VERSION,
		ident.store, ident.cluster, ident.incarnation, process_address(process));
	tell("READY=1", logger);
	while (sigwait(&signals, &signal_) != 0)
		;
	log_info(logger, "msg=\"ending\" signal=%d", signal_);
	tell("STOPPING=1", logger);
	process_close(process);
	log_info(logger, "msg=\"ended\"");
	return EXIT_OK;
}

int main(int count, char **arguments)
{
	enum server_request request;
	struct config config;
	struct logger logger;
	struct status status = {0};
	int exit_code, code = config_init(&config);

	if (code < 0)
		status_set(&status, code, "out of memory");
	else
		code = server_options_parse(&config, count, arguments, &request, &status);
	if (code < 0) {
		exit_code = fail(&status, EXIT_USAGE);
	} else if (request != SERVER_RUN) {
		fputs(request == SERVER_HELP ? help : NAME " " RAFTKV_VERSION "\n", stdout);
		exit_code = EXIT_OK;
	} else {
		logger = logger_fd(STDERR_FILENO, config.log_level);
		exit_code = raftkvd_run(&config, &logger);
	}
	config_close(&config);
	return exit_code;
}
