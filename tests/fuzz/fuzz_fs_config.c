/* Files of settings, as anybody may write them: read, or refused with a sentence that names the line. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fs/config.h"

static void check_setting(void *argument, const struct config_value *value)
{
	uint32_t *count = argument;

	if (!value->help || memchr(value->value, '\0', sizeof value->value) == NULL)
		abort();
	(*count)++;
}

static void check_read(const struct config *config)
{
	uint32_t count = 0;

	config_each(config, check_setting, &count);
	if (count == 0 || count > CONFIG_KEY_COUNT_MAX)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = memfd_create("config", MFD_CLOEXEC);
	struct status status = {0};
	struct config config;
	char path[40];

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	if (config_init(&config) == 0 && config_read(&config, path, &status) < 0 &&
		strncmp(status.text, path, strlen(path)) != 0)
		abort();
	check_read(&config);
	config_close(&config);
	close(fd);
	return 0;
}
