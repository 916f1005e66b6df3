#include "fs/cluster/labels.h"

#include <ctype.h>
#include <string.h>

static bool is_word(const char *text, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (!isalnum((unsigned char)text[i]) && !strchr("._-", text[i]))
			return false;
	return size > 0;
}

static bool is_label(struct slice label)
{
	const char *text = (const char *)label.data;
	const char *equals = label.size > 0 ? memchr(text, '=', label.size) : NULL;

	return equals && is_word(text, (size_t)(equals - text)) &&
	       is_word(equals + 1, label.size - (size_t)(equals + 1 - text));
}

struct slice labels_at(const char *text, uint32_t place)
{
	for (; place > 0; place--) {
		text += strcspn(text, ",");
		if (*text == '\0')
			return (struct slice){0};
		text++;
	}
	return slice_of(text, strcspn(text, ","));
}

bool labels_are_valid(const char *text)
{
	uint32_t count = 1;

	if (strlen(text) > LABELS_SIZE_MAX)
		return false;
	for (const char *rest = text; *rest; rest++)
		count += *rest == ',';
	for (uint32_t i = 0; i < count; i++)
		if (*text && !is_label(labels_at(text, i)))
			return false;
	return count <= LABELS_MAX;
}
