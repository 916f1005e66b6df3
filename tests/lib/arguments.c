#include "tests/lib/arguments.h"

#include <getopt.h>
#include <stdlib.h>

#include "proto/check.h"

static bool take(const struct argument *argument)
{
	char *end = NULL;

	if (argument->number) {
		*argument->number = strtoull(optarg, &end, 0);
		return end != optarg && *end == '\0';
	}
	if (argument->text)
		*argument->text = optarg;
	else
		*argument->flag = true;
	return true;
}

int arguments_parse(const struct argument *arguments, size_t count, int argc, char **argv)
{
	struct option names[ARGUMENTS_MAX + 1] = {0};
	int index;

	check(count <= ARGUMENTS_MAX);
	for (size_t i = 0; i < count; i++)
		names[i] = (struct option){.name = arguments[i].name,
			.has_arg = arguments[i].flag ? no_argument : required_argument};
	optind = 0; /* glibc: begin anew */
	for (int letter; (letter = getopt_long(argc, argv, "", names, &index)) != -1;)
		if (letter != 0 || !take(&arguments[index]))
			return -1;
	return optind;
}
