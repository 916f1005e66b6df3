#include "mount-helpers/json.h"

#include <inttypes.h>

static void put_text(struct json *json, const char *text)
{
	putc('"', json->file);
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			fprintf(json->file, "\\%c", *text);
		else if ((unsigned char)*text < 0x20)
			fprintf(json->file, "\\u%04x", (unsigned char)*text);
		else
			putc(*text, json->file);
	}
	putc('"', json->file);
}

static void put_key(struct json *json, const char *key)
{
	if (json->needs_comma)
		putc(',', json->file);
	json->needs_comma = true;
	if (key) {
		put_text(json, key);
		putc(':', json->file);
	}
}

void json_begin(struct json *json, const char *key, char bracket)
{
	put_key(json, key);
	putc(bracket, json->file);
	json->needs_comma = false;
}

void json_end(struct json *json, char bracket)
{
	putc(bracket, json->file);
	json->needs_comma = true;
}

void json_end_line(struct json *json, char bracket)
{
	json_end(json, bracket);
	putc('\n', json->file);
	json->needs_comma = false;
}

void json_string(struct json *json, const char *key, const char *value)
{
	put_key(json, key);
	if (value)
		put_text(json, value);
	else
		fputs("null", json->file);
}

void json_number(struct json *json, const char *key, uint64_t value)
{
	put_key(json, key);
	fprintf(json->file, "%" PRIu64, value);
}

void json_real(struct json *json, const char *key, double value)
{
	put_key(json, key);
	fprintf(json->file, "%.3f", value);
}

void json_bool(struct json *json, const char *key, bool value)
{
	put_key(json, key);
	fputs(value ? "true" : "false", json->file);
}
