/* SPDX-License-Identifier: BSD-2-Clause */
/* One view on three lists of services. */
#include "src/registry/services.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "src/base/auto.h"
#include "src/base/near.h"
#include "src/registry/import.h"

const char *berth_port_class(uint16_t port)
{
	return port < 1024 ? "system" : port < 49152 ? "user" : "dynamic";
}

/* ---- loading ---- */

struct file_report {
	berth_services_complain complain;
	void *arg;
	const char *file;
};

static void report_line(void *arg, unsigned line, const char *what)
{
	const struct file_report *r = arg;

	if (r->complain)
		r->complain(r->arg, r->file, line, what);
}

/* One file as a list; an empty list where it cannot be had. */
static void load(struct berth_services *s, enum berth_services_source source, const char *path,
		 struct file_report *r)
{
	struct berth_services_builder *b = berth_services_builder_new();
	berth_auto_free char *text = NULL;
	struct berth_why why = { "" };
	size_t len;
	int err = b ? berth_services_read(path, &text, &len) : -ENOMEM;

	r->file = path;
	if (!err && source == BERTH_SERVICES_ETC)
		err = berth_services_parse_etc(text, len, b, report_line, r);
	else if (!err)
		err = berth_services_parse_csv(text, len, b, &why);
	if (err >= 0)
		err = berth_services_builder_finish(b, &s->layer[source]);
	if (err < 0 && err != -ENOENT)
		report_line(r, 0, why.text[0] ? why.text : strerror(-err));
	berth_services_builder_free(b);
}

void berth_services_init(struct berth_services *s, berth_services_complain complain, void *arg)
{
	struct file_report r = { complain, arg, NULL };
	char path[BERTH_SERVICES_PATH_MAX];

	memset(s, 0, sizeof(*s));
	s->layer[BERTH_SERVICES_IANA] = berth_services_builtin;
	if (!berth_services_import_path(path, sizeof(path)))
		load(s, BERTH_SERVICES_IMPORT, path, &r);
	load(s, BERTH_SERVICES_ETC, "/etc/services", &r);
}

int berth_services_set_etc(struct berth_services *s, char *text, size_t len)
{
	struct berth_services_builder *b = berth_services_builder_new();
	struct file_report r = { NULL, NULL, "/etc/services" };
	int err = b ? berth_services_parse_etc(text, len, b, report_line, &r) : -ENOMEM;

	berth_services_layer_fini(&s->layer[BERTH_SERVICES_ETC]);
	s->layer[BERTH_SERVICES_ETC] = (struct berth_services_layer){ 0 };
	if (err >= 0)
		err = berth_services_builder_finish(b, &s->layer[BERTH_SERVICES_ETC]);
	berth_services_builder_free(b);
	return err < 0 ? err : 0;
}

void berth_services_fini(struct berth_services *s)
{
	berth_services_layer_fini(&s->layer[BERTH_SERVICES_IMPORT]);
	berth_services_layer_fini(&s->layer[BERTH_SERVICES_ETC]);
}

/* ---- look-up ---- */

static bool has_word(const struct berth_service *service, const char *word)
{
	unsigned i;

	if (!strcasecmp(service->name, word))
		return true;
	for (i = 0; i < service->aliases; i++)
		if (!strcasecmp(service->alias[i], word))
			return true;
	return false;
}

static void add_alias(struct berth_service *service, const char *word)
{
	if (service->aliases < BERTH_SERVICE_ALIASES && !has_word(service, word))
		service->alias[service->aliases++] = word;
}

/* Lays a row of a list below what higher lists have said. */
static void lay_below(struct berth_service *service, const struct berth_services_layer *l,
		      uint32_t row, enum berth_services_source source)
{
	const char *at = l->text + l->rows[row].text;

	if (!service->name) {
		service->name = at;
		service->source = source;
		service->line = l->lines ? l->lines[row] : 0;
	} else {
		add_alias(service, at);
	}
	at = berth_services_after(at);
	if (!service->description || !*service->description)
		service->description = at;
	for (at = berth_services_after(at); *at; at = berth_services_after(at))
		add_alias(service, at);
}

bool berth_services_get(const struct berth_services *s, uint16_t port,
			enum berth_transport transport, struct berth_service *out_service)
{
	struct berth_service service = { .port = port, .transport = transport };
	int source;

	for (source = BERTH_SERVICES_SOURCES - 1; source >= 0; source--) {
		const struct berth_services_layer *l = &s->layer[source];
		uint32_t row = berth_services_layer_from(l, port, transport);

		if (row < l->row_count && l->rows[row].port == port &&
		    l->rows[row].transport == transport)
			lay_below(&service, l, row, (enum berth_services_source)source);
	}
	if (!service.name)
		return false;
	*out_service = service;
	return true;
}

bool berth_services_next(const struct berth_services *s, uint32_t port, unsigned transport,
			 struct berth_service *out_service)
{
	uint32_t least = UINT32_MAX;
	int source;

	for (source = 0; source < BERTH_SERVICES_SOURCES; source++) {
		const struct berth_services_layer *l = &s->layer[source];
		uint32_t row = berth_services_layer_from(l, port, transport), key;

		key = row < l->row_count ? (uint32_t)l->rows[row].port << 3 | l->rows[row].transport
					 : UINT32_MAX;
		least = key < least ? key : least;
	}
	return least != UINT32_MAX &&
	       berth_services_get(s, (uint16_t)(least >> 3), (enum berth_transport)(least & 7),
				  out_service);
}

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

int berth_services_named(const struct berth_services *s, const char *name,
			 void (*fn)(const struct berth_service *service, void *arg), void *arg)
{
	uint32_t first[BERTH_SERVICES_SOURCES], count[BERTH_SERVICES_SOURCES], all = 0, n = 0, i;
	berth_auto_free uint32_t *keys = NULL;
	struct berth_service service;
	int source, found = 0;

	for (source = 0; source < BERTH_SERVICES_SOURCES; source++) {
		first[source] = berth_services_layer_named(&s->layer[source], name, &count[source]);
		all += count[source];
	}
	keys = malloc((all + 1) * sizeof(*keys));
	if (!keys)
		return -ENOMEM;
	for (source = 0; source < BERTH_SERVICES_SOURCES; source++)
		for (i = 0; i < count[source]; i++) {
			const struct berth_services_layer *l = &s->layer[source];
			uint32_t row = l->words[first[source] + i] >> 8;

			keys[n++] = (uint32_t)l->rows[row].port << 3 | l->rows[row].transport;
		}
	qsort(keys, n, sizeof(*keys), by_number);
	for (i = 0; i < n; i++) {
		if (i && keys[i] == keys[i - 1])
			continue;
		berth_services_get(s, (uint16_t)(keys[i] >> 3), (enum berth_transport)(keys[i] & 7),
				   &service);
		fn(&service, arg);
		found++;
	}
	return found;
}

const char *berth_services_near(const struct berth_services *s, const char *name)
{
	struct berth_near best = { 0 };
	const char *last = "";
	int source;
	uint32_t i;

	for (source = BERTH_SERVICES_SOURCES - 1; source >= 0; source--)
		for (i = 0; i < s->layer[source].word_count; i++) {
			const char *word = berth_services_layer_word(&s->layer[source], i);

			if (strcasecmp(word, last))
				berth_near_consider(name, word, strlen(word), &best);
			last = word;
		}
	return best.text;
}
