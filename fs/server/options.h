/*
 * options.h: the command line of raftkvd(8): settings of raftkv.conf(5), some of which have short names.
 *
 * It does not use getopt_long: any setting is an option (--SECTION.KEY=VALUE), and the table of settings is in
 * config.c.
 */
#ifndef RAFTKV_FS_SERVER_OPTIONS_H
#define RAFTKV_FS_SERVER_OPTIONS_H

#include "fs/config.h"

enum server_request {
	SERVER_RUN,
	SERVER_HELP,
	SERVER_VERSION,
};

/* Fills an initialized `config` from the file that --config names, or else CONFIG_PATH if that exists, and then from
 * the command line. -EINVAL and others, with a sentence. */
int server_options_parse(struct config *config, int count, char **arguments, enum server_request *request,
	struct status *status);

#endif
