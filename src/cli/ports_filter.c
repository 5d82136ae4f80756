/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Filters of berth ports: words. Terms about one field are alternatives, terms about different fields must all hold.
 *
 *   443 8000-8100     local port           listening public tcp    a word that a field can have
 *   FIELD=VALUE       any field            to=ADDR[/LEN][:PORT]    the other side (destination.h)
 *   nginx             program, or the name of a service
 */
#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/near.h"
#include "src/cli/destination.h"
#include "src/cli/ports.h"
#include "src/core/range.h"

enum term_kind { TERM_PORT, TERM_FIELD, TERM_TO, TERM_FROM, TERM_WORD };

struct term {
	enum term_kind kind;
	const struct ports_field *field; /* TERM_FIELD */
	char *text;                      /* TERM_FIELD, TERM_WORD */
	struct berth_range port;         /* TERM_PORT */
	struct berth_headroom_ask side;  /* TO, FROM */
	uint32_t group;                  /* terms of one group are alternatives */
};

struct ports_filter {
	struct term *term;
	size_t count;
	uint64_t groups; /* bits of groups that are used */
};

/* Groups: one for each kind that is no field, then one for each field. */
#define GROUP_PORT 0u
#define GROUP_TO 1u
#define GROUP_FROM 2u
#define GROUP_WORD 3u
#define GROUP_FIELD 4u

static const char yes_words[] = "ephemeral|reserved|assigned"; /* fields that are words, too */

struct ports_filter *ports_filter_new(void)
{
	return calloc(1, sizeof(struct ports_filter));
}

void ports_filter_free(struct ports_filter *f)
{
	size_t i;

	for (i = 0; f && i < f->count; i++)
		free(f->term[i].text);
	if (f)
		free(f->term);
	free(f);
}

static int add(struct ports_filter *f, struct term t, const char *text, struct berth_why *why)
{
	struct term *more = reallocarray(f->term, f->count + 1, sizeof(*more));

	if (more)
		f->term = more;
	if (more && text)
		t.text = strdup(text);
	if (!more || (text && !t.text))
		return berth_why(why, -ENOMEM, "no memory");
	more[f->count++] = t;
	f->groups |= 1ull << t.group;
	return 0;
}

/* ---- parts ---- */

static bool read_port(const char **p, uint16_t *out_port)
{
	char *end;
	unsigned long n;

	if (!isdigit((unsigned char)**p))
		return false;
	n = strtoul(*p, &end, 10);
	*p = end;
	*out_port = (uint16_t)n;
	return n >= 1 && n <= 65535;
}

/* "443" or "8000-8100". */
static bool read_range(const char *word, struct berth_range *out)
{
	if (!read_port(&word, &out->first))
		return false;
	out->last = out->first;
	if (*word == '-') {
		word++;
		if (!read_port(&word, &out->last))
			return false;
	}
	return !*word && out->last >= out->first;
}

static bool has_word(const char *words, const char *word)
{
	size_t n = strlen(word);

	for (; words && *words; words += strcspn(words, "|"), words += *words == '|')
		if (strcspn(words, "|") == n && !memcmp(words, word, n))
			return true;
	return false;
}

static uint32_t group_of(const struct ports_field *f)
{
	return GROUP_FIELD + (uint32_t)(f - ports_fields);
}

/* The field that can have such a word. */
static const struct ports_field *field_of_word(const char *word)
{
	const struct ports_field *f;

	for (f = ports_fields; f->name; f++)
		if (has_word(f->words, word))
			return f;
	return NULL;
}

/* Whether a field of that type, which has no list of words, can have such a value. */
static bool can_have(const struct ports_field *f, const char *value)
{
	if (!strcmp(f->type, "number"))
		return *value && !value[strspn(value, "0123456789")];
	if (!strcmp(f->type, "boolean"))
		return !strcmp(value, "yes") || !strcmp(value, "no");
	return *value;
}

static int add_field(struct ports_filter *f, const char *word, size_t name_len,
		     struct berth_why *why)
{
	const struct ports_field *field = ports_field_find(word, name_len);
	const char *value = word + name_len + 1;
	char quoted[64];
	struct term t = { TERM_FIELD, field };

	if (name_len == 2 && !memcmp(word, "to", 2)) {
		t.kind = TERM_TO;
		t.group = GROUP_TO;
	} else if (name_len == 4 && !memcmp(word, "from", 4)) {
		t.kind = TERM_FROM;
		t.group = GROUP_FROM;
	} else if (!field) {
		snprintf(quoted, sizeof(quoted), "\"%s\"", word);
		return ports_field_refuse(quoted, word, name_len, why);
	} else {
		t.group = group_of(field);
	}
	if (t.kind != TERM_FIELD && destination_parse(value, &t.side, why))
		return -EINVAL;
	if (field && !strcmp(field->name, "port")) {
		t.kind = TERM_PORT;
		t.group = GROUP_PORT;
		if (!read_range(value, &t.port))
			return berth_why(why, -EINVAL, "\"%s\": no port; write 443 or 8000-8100",
					 word);
	}
	if (t.kind == TERM_FIELD && field->words && !has_word(field->words, value))
		return berth_why(why, -EINVAL, "\"%s\": %s is one of %s", word, field->name,
				 field->words);
	if (t.kind == TERM_FIELD && !can_have(field, value))
		return berth_why(why, -EINVAL, "\"%s\": %s is %s", word, field->name,
				 !strcmp(field->type, "boolean")  ? "yes or no"
				 : !strcmp(field->type, "number") ? "a number"
								  : "a text");
	return add(f, t, t.kind == TERM_FIELD ? value : NULL, why);
}

int ports_filter_add(struct ports_filter *f, const char *word, struct berth_why *why)
{
	struct term t = { TERM_PORT };
	const char *equals = strchr(word, '=');

	if (read_range(word, &t.port))
		return add(f, t, NULL, why);
	if (word[strspn(word, "0123456789-")] == '\0')
		return berth_why(why, -EINVAL, "\"%s\": no port; write 443 or 8000-8100", word);
	if (equals)
		return add_field(f, word, (size_t)(equals - word), why);
	t.kind = TERM_WORD;
	t.group = GROUP_WORD;
	t.field = field_of_word(word);
	if (t.field) {
		t.kind = TERM_FIELD;
		t.group = group_of(t.field);
	} else if (has_word(yes_words, word)) {
		t = (struct term){ TERM_FIELD, ports_field_find(word, strlen(word)) };
		t.group = group_of(t.field);
		word = "yes";
	}
	return add(f, t, word, why);
}

/* ---- rows ---- */

static bool has_endpoint(const struct berth_headroom_ask *side, const uint8_t bytes[16],
			 uint16_t port)
{
	uint64_t addr[2];

	memcpy(addr, bytes, sizeof(addr));
	return (!side->port || side->port == port) &&
	       !((addr[0] ^ side->addr[0]) & side->mask[0]) &&
	       !((addr[1] ^ side->addr[1]) & side->mask[1]);
}

static bool field_is(const struct ports_row *row, const struct ports_field *f, const char *text)
{
	struct ports_value v = { PORTS_NONE };
	const char *has;
	size_t n;

	f->get(row, &v);
	has = ports_value_text(&v, &n);
	return v.kind != PORTS_NONE && strlen(text) == n && !memcmp(has, text, n);
}

static bool holds(const struct term *t, const struct ports_row *row)
{
	const struct berth_socket *s = row->socket;

	switch (t->kind) {
	case TERM_PORT:
		return s->lport >= t->port.first && s->lport <= t->port.last;
	case TERM_FIELD:
		return field_is(row, t->field, t->text);
	case TERM_TO:
		return has_endpoint(&t->side, s->peer, s->pport);
	case TERM_FROM:
		return has_endpoint(&t->side, s->local, s->lport);
	case TERM_WORD:
		return field_is(row, ports_field_find("program", 7), t->text) ||
		       field_is(row, ports_field_find("service", 7), t->text);
	}
	return false;
}

bool ports_filter_has(const struct ports_filter *f, const struct ports_row *row)
{
	uint64_t held = 0;
	size_t i;

	for (i = 0; i < f->count; i++)
		if (!(held >> f->term[i].group & 1) && holds(&f->term[i], row))
			held |= 1ull << f->term[i].group;
	return held == f->groups;
}

/* What was probably meant by a word that no program and no service has; text is NULL where nothing is near. */
static struct berth_near meant_by(const char *word)
{
	const struct ports_field *f;
	struct berth_near near = { 0 };
	const char *w;

	for (w = yes_words; *w; w += strcspn(w, "|"), w += *w == '|')
		berth_near_consider(word, w, strcspn(w, "|"), &near);
	for (f = ports_fields; f->name; f++)
		for (w = f->words; w && *w; w += strcspn(w, "|"), w += *w == '|')
			berth_near_consider(word, w, strcspn(w, "|"), &near);
	return near;
}

void ports_filter_say_meant(const struct ports_filter *f)
{
	struct berth_near near;
	size_t i;

	for (i = 0; i < f->count; i++) {
		if (f->term[i].kind != TERM_WORD)
			continue;
		near = meant_by(f->term[i].text);
		if (near.text)
			fprintf(stderr,
				"berth ports: no socket of a program or service \"%s\"; did you mean %.*s?\n",
				f->term[i].text, (int)near.len, near.text);
	}
}

bool ports_filter_needs_holders(const struct ports_filter *f)
{
	size_t i;

	for (i = 0; i < f->count; i++)
		if (f->term[i].kind == TERM_WORD ||
		    (f->term[i].kind == TERM_FIELD && f->term[i].field->of != PORTS_OF_SOCKET))
			return true;
	return false;
}

bool ports_filter_needs_details(const struct ports_filter *f)
{
	size_t i;

	for (i = 0; i < f->count; i++)
		if (f->term[i].field && f->term[i].field->detail)
			return true;
	return false;
}

/* ---- what the kernel decides ---- */

/* How many terms a group has. */
static size_t in_group(const struct ports_filter *f, uint32_t group)
{
	size_t i, n = 0;

	for (i = 0; i < f->count; i++)
		n += f->term[i].group == group;
	return n;
}

static uint32_t states_of(const char *name)
{
	uint32_t states = 0;
	unsigned i;

	for (i = 1; i < BERTH_STATE_COUNT; i++)
		if (!strcmp(berth_socket_state_name(i), name))
			states |= 1u << i;
	return states;
}

static uint16_t protocol_of(const char *name)
{
	static const uint16_t number[] = { IPPROTO_TCP,   IPPROTO_UDP,  IPPROTO_UDPLITE,
					   IPPROTO_MPTCP, IPPROTO_SCTP, IPPROTO_DCCP };
	struct berth_socket s = { 0 };
	size_t i;

	for (i = 0; i < sizeof(number) / sizeof(*number); i++) {
		s.protocol = number[i];
		if (!strcmp(berth_socket_protocol_name(&s), name))
			return number[i];
	}
	return 0;
}

/* Tells one term; false where the kernel cannot decide it. */
static bool tell(const struct ports_filter *f, const struct term *t, struct berth_socket_ask *ask)
{
	if (t->kind == TERM_PORT && in_group(f, GROUP_PORT) <= BERTH_ASK_PORTS) {
		ask->lport[ask->lports].first = t->port.first;
		ask->lport[ask->lports++].last = t->port.last;
		return true;
	}
	if (t->kind == TERM_TO && in_group(f, GROUP_TO) == 1) {
		memcpy(ask->peer, t->side.addr, 16);
		ask->peer_len = (uint32_t)(__builtin_popcountll(t->side.mask[0]) +
					   __builtin_popcountll(t->side.mask[1]));
		ask->pport = t->side.port;
		return true;
	}
	if (t->kind != TERM_FIELD)
		return false;
	if (!strcmp(t->field->name, "state")) {
		ask->states |= states_of(t->text);
		return true;
	}
	if (!strcmp(t->field->name, "protocol") && in_group(f, t->group) == 1 &&
	    protocol_of(t->text)) {
		ask->protocol[ask->protocols++] = protocol_of(t->text);
		return true;
	}
	if (!strcmp(t->field->name, "pid") && in_group(f, t->group) == 1)
		ask->pid = (uint32_t)strtoul(t->text, NULL, 10);
	return false;
}

void ports_filter_ask(const struct ports_filter *f, struct berth_socket_ask *out_ask)
{
	size_t i;

	memset(out_ask, 0, sizeof(*out_ask));
	for (i = 0; i < f->count; i++)
		tell(f, &f->term[i], out_ask);
}

bool ports_filter_is_asked_whole(const struct ports_filter *f)
{
	struct berth_socket_ask ask = { 0 };
	size_t i;

	for (i = 0; i < f->count; i++)
		if (!tell(f, &f->term[i], &ask))
			return false;
	return true;
}
