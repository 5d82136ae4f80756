/* SPDX-License-Identifier: BSD-2-Clause */
/* YAML, through libyaml: the same paths as JSON has. Anchors are passed over. */
#include <string.h>
#include <yaml.h>

#include "src/lint/format.h"

struct level {
	bool is_map, has_key;
};

struct parser {
	const struct berth_lint_sink *sink;
	struct berth_lint_path path;
	struct level level[BERTH_LINT_DEPTH_MAX];
	unsigned depth;
	bool too_deep;
	/* Where the characters were counted to: libyaml's own lines also end at CR and at three of Unicode's. */
	const char *at, *end;
	size_t index;
	unsigned line;
};

/* The line of a character; they are asked for in ascending order, else the last one holds. */
static unsigned line_of(struct parser *p, size_t index)
{
	for (; p->at < p->end && p->index < index; p->at++) {
		p->line += *p->at == '\n';
		/* A character of UTF-8 ends where the next byte goes on with none. */
		p->index += p->at + 1 == p->end || ((unsigned char)p->at[1] & 0xc0) != 0x80;
	}
	return p->line;
}

/* A value has ended: its key goes. */
static void after_value(struct parser *p)
{
	struct level *l = p->depth ? &p->level[p->depth - 1] : NULL;

	if (l && l->is_map && l->has_key) {
		berth_lint_path_pop(&p->path);
		l->has_key = false;
	}
}

static void open_one(struct parser *p, bool is_map)
{
	struct level *above = p->depth ? &p->level[p->depth - 1] : NULL;

	/* A key that is a list or a map itself is nobody's. */
	if (above && above->is_map && !above->has_key) {
		p->too_deep = !berth_lint_path_push(&p->path, "?", 1) || p->too_deep;
		above->has_key = !p->too_deep;
	}
	if (p->depth == BERTH_LINT_DEPTH_MAX || p->too_deep ||
	    (!is_map && !berth_lint_path_push(&p->path, "[]", 2))) {
		p->too_deep = true;
		return;
	}
	p->level[p->depth++] = (struct level){ is_map, false };
}

static void close_one(struct parser *p)
{
	if (!p->level[--p->depth].is_map)
		berth_lint_path_pop(&p->path);
	after_value(p);
}

static void scalar(struct parser *p, const yaml_event_t *e)
{
	struct level *l = p->depth ? &p->level[p->depth - 1] : NULL;
	const char *text = (const char *)e->data.scalar.value;

	if (l && l->is_map && !l->has_key) {
		p->too_deep = !berth_lint_path_push(&p->path, text, e->data.scalar.length);
		l->has_key = !p->too_deep;
		return;
	}
	p->sink->item(p->sink->arg, p->path.text, text, line_of(p, e->start_mark.index));
	after_value(p);
}

static void take(struct parser *p, const yaml_event_t *e)
{
	struct level *l = p->depth ? &p->level[p->depth - 1] : NULL;

	switch (e->type) {
	case YAML_SCALAR_EVENT:
		scalar(p, e);
		break;
	case YAML_ALIAS_EVENT:
		/* As a key it would stand for its value. */
		if (l && l->is_map && !l->has_key) {
			p->too_deep = !berth_lint_path_push(&p->path, "*", 1);
			l->has_key = true;
		} else {
			after_value(p);
		}
		break;
	case YAML_MAPPING_START_EVENT:
	case YAML_SEQUENCE_START_EVENT:
		open_one(p, e->type == YAML_MAPPING_START_EVENT);
		break;
	case YAML_MAPPING_END_EVENT:
	case YAML_SEQUENCE_END_EVENT:
		close_one(p);
		break;
	default:
		break;
	}
}

void berth_lint_parse_yaml(const char *text, size_t len, const struct berth_lint_sink *sink)
{
	struct parser p = { .sink = sink, .at = text, .end = text + len, .line = 1 };
	yaml_parser_t yaml;
	yaml_event_t e;
	bool ended = false;

	if (!yaml_parser_initialize(&yaml)) {
		sink->malformed(sink->arg, 1, "no memory");
		return;
	}
	yaml_parser_set_input_string(&yaml, (const unsigned char *)text, len);
	while (!ended && !p.too_deep) {
		if (!yaml_parser_parse(&yaml, &e)) {
			/* libyaml's sentences are constants. */
			sink->malformed(sink->arg,
					line_of(&p, yaml.error == YAML_READER_ERROR
							    ? yaml.mark.index
							    : yaml.problem_mark.index),
					yaml.problem ? yaml.problem : "this is no YAML");
			break;
		}
		ended = e.type == YAML_STREAM_END_EVENT;
		take(&p, &e);
		yaml_event_delete(&e);
	}
	if (p.too_deep)
		sink->malformed(sink->arg, line_of(&p, yaml.mark.index), "nested too deep");
	yaml_parser_delete(&yaml);
}
