/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * XML, through expat. Besides elements and attributes it yields what three habits mean:
 * <param name="N" value="V"/> (FreeSWITCH) and <property><name>N</name><value>V</value></property> (Hadoop) are
 * the setting ".../N" with the value V; <X-PRE-PROCESS cmd="C" data="D"/> (FreeSWITCH) is ".../X-PRE-PROCESS/C" with D.
 */
#include <expat.h>
#include <string.h>

#include "src/lint/format.h"

struct parser {
	const struct berth_lint_sink *sink;
	XML_Parser xml;
	struct berth_lint_path path;
	char text[BERTH_LINT_VALUE_MAX], name[BERTH_LINT_PATH_MAX], value[BERTH_LINT_VALUE_MAX];
	size_t len;
	unsigned text_line, value_line;
	/* Where lines were counted to: expat's own also end at CR. */
	const char *start, *at, *end;
	unsigned line;
};

/* The line that expat is at; it only goes ahead. */
static unsigned line_now(struct parser *p)
{
	XML_Index index = XML_GetCurrentByteIndex(p->xml);

	while (p->at < p->end && p->at - p->start < index)
		p->line += *p->at++ == '\n';
	return p->line;
}

static void emit(struct parser *p, const char *key, const char *value, unsigned line)
{
	if (!berth_lint_path_push(&p->path, key, strlen(key)))
		return;
	p->sink->item(p->sink->arg, p->path.text, value, line);
	berth_lint_path_pop(&p->path);
}

static void copy(char *into, size_t size, const char *text)
{
	size_t len = strlen(text);

	len = len < size - 1 ? len : size - 1;
	memcpy(into, text, len);
	into[len] = 0;
}

static void XMLCALL begin(void *arg, const XML_Char *element, const XML_Char **attributes)
{
	struct parser *p = arg;
	unsigned line = line_now(p);
	const char *name = NULL, *value = NULL, *command = NULL, *data = NULL;

	p->len = 0;
	p->text[0] = 0;
	for (; attributes[0]; attributes += 2) {
		name = strcmp(attributes[0], "name") ? name : attributes[1];
		value = strcmp(attributes[0], "value") ? value : attributes[1];
		command = strcmp(attributes[0], "cmd") ? command : attributes[1];
		data = strcmp(attributes[0], "data") ? data : attributes[1];
		/* An attribute's path is "element/@attribute". */
		if (p->path.depth + 2 < BERTH_LINT_DEPTH_MAX) {
			char at[128] = "@";

			copy(at + 1, sizeof(at) - 1, attributes[0]);
			berth_lint_path_push(&p->path, element, strlen(element));
			emit(p, at, attributes[1], line);
			berth_lint_path_pop(&p->path);
		}
	}
	if (name && value)
		emit(p, name, value, line);
	if (!berth_lint_path_push(&p->path, element, strlen(element)))
		XML_StopParser(p->xml, XML_FALSE);
	else if (command && data)
		emit(p, command, data, line);
}

static void XMLCALL characters(void *arg, const XML_Char *text, int len)
{
	struct parser *p = arg;
	int i;

	for (i = 0; i < len && p->len < sizeof(p->text) - 1; i++) {
		if (!p->len && strchr(" \t\r\n", text[i]))
			continue;
		if (!p->len)
			p->text_line = line_now(p);
		p->text[p->len++] = text[i];
	}
	p->text[p->len] = 0;
}

static void XMLCALL end(void *arg, const XML_Char *element)
{
	struct parser *p = arg;

	while (p->len && strchr(" \t\r\n", p->text[p->len - 1]))
		p->text[--p->len] = 0;
	if (p->len)
		p->sink->item(p->sink->arg, p->path.text, p->text, p->text_line);
	if (!strcmp(element, "name"))
		copy(p->name, sizeof(p->name), p->text);
	if (!strcmp(element, "value")) {
		copy(p->value, sizeof(p->value), p->text);
		p->value_line = p->text_line;
	}
	p->len = 0;
	p->text[0] = 0;
	berth_lint_path_pop(&p->path);
	if (!strcmp(element, "property") && p->name[0] && p->value[0])
		emit(p, p->name, p->value, p->value_line);
	if (!strcmp(element, "property"))
		p->name[0] = p->value[0] = 0;
}

void berth_lint_parse_xml(const char *text, size_t len, const struct berth_lint_sink *sink)
{
	struct parser p = { .sink = sink,
			    .xml = XML_ParserCreate(NULL),
			    .start = text,
			    .at = text,
			    .end = text + len,
			    .line = 1 };

	if (!p.xml) {
		sink->malformed(sink->arg, 1, "no memory");
		return;
	}
	XML_SetUserData(p.xml, &p);
	XML_SetElementHandler(p.xml, begin, end);
	XML_SetCharacterDataHandler(p.xml, characters);
	if (XML_Parse(p.xml, text, (int)len, 1) != XML_STATUS_OK)
		sink->malformed(sink->arg, line_now(&p), XML_ErrorString(XML_GetErrorCode(p.xml)));
	XML_ParserFree(p.xml);
}
