/*
 * options.h: the command line of raftkvd(8): settings of raftkv.conf(5), some of which have names of their own.
 *
 * Not by getopt_long: any setting is an option, --SECTION.KEY=VALUE, and raftkv.conf(5)'s reader knows which there are.
 */
#ifndef RAFTKV_FS_SERVER_OPTIONS_H
#define RAFTKV_FS_SERVER_OPTIONS_H

#include "fs/config.h"

enum server_request {
	SERVER_RUN,
	SERVER_HELP,
	SERVER_VERSION,
};

/* Fills an initialized `config` from the file that is named, or CONFIG_PATH if there is one, and then the command line.
 * -EINVAL and others, with a sentence. */
int server_options_parse(struct config *config, int count, char **arguments, enum server_request *request,
	struct status *status);

#endif
