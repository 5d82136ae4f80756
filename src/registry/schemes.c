/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of URL schemes. */
#include "src/registry/schemes.h"

#include <string.h>
#include <strings.h>

#include "src/base/near.h"

#define TCP (1u << BERTH_TRANSPORT_TCP)
#define UDP (1u << BERTH_TRANSPORT_UDP)
#define SCTP (1u << BERTH_TRANSPORT_SCTP)

/* By name. */
/* clang-format off */
const struct berth_scheme berth_schemes[] = {
	{ "aaa", 3868, TCP | SCTP, "RFC 6733 section 4.3.1" },
	{ "aaas", 5868, TCP | SCTP, "IANA, service diameters (RFC 6733 has 5658)" },
	{ "acap", 674, TCP, "RFC 2244 section 5" },
	{ "afp", 548, TCP, "IANA, service afpovertcp" },
	{ "amqp", 5672, TCP | SCTP, "OASIS AMQP 1.0; IANA, service amqp" },
	{ "amqps", 5671, TCP, "OASIS AMQP 1.0; IANA, service amqps" },
	{ "cap", 1026, TCP, "RFC 4324 section 14" },
	{ "coap", 5683, UDP, "RFC 7252 section 6.1" },
	{ "coap+tcp", 5683, TCP, "RFC 8323 section 8.1" },
	{ "coap+ws", 80, TCP, "RFC 8323 section 8.3" },
	{ "coaps", 5684, UDP, "RFC 7252 section 6.2" },
	{ "coaps+tcp", 5684, TCP, "RFC 8323 section 8.2" },
	{ "coaps+ws", 443, TCP, "RFC 8323 section 8.4" },
	{ "dict", 2628, TCP, "RFC 2229 section 5" },
	{ "dns", 53, UDP | TCP, "RFC 4501" },
	{ "finger", 79, TCP, "RFC 1288; IANA, service finger" },
	{ "ftp", 21, TCP, "RFC 1738 section 3.2; RFC 959" },
	{ "ftps", 990, TCP, "IANA, service ftps" },
	{ "gemini", 1965, TCP, "specification of the Gemini protocol" },
	{ "git", 9418, TCP, "IANA, service git" },
	{ "gopher", 70, TCP, "RFC 4266 section 2.1" },
	{ "http", 80, TCP, "RFC 9110 section 4.2.1" },
	{ "https", 443, TCP | UDP, "RFC 9110 section 4.2.2; RFC 9114 (UDP)" },
	{ "icap", 1344, TCP, "RFC 3507 section 4.2" },
	{ "imap", 143, TCP, "RFC 5092" },
	{ "imaps", 993, TCP, "RFC 8314; IANA, service imaps" },
	{ "ipp", 631, TCP, "RFC 3510" },
	{ "ipps", 631, TCP, "RFC 7472" },
	{ "irc", 6667, TCP, "custom of IRC; IANA, service ircu" },
	{ "ircs", 6697, TCP, "RFC 7194" },
	{ "iris.beep", 702, TCP, "RFC 3983" },
	{ "iris.lwz", 715, UDP, "RFC 4993" },
	{ "iris.xpc", 713, TCP, "RFC 4992" },
	{ "iris.xpcs", 714, TCP, "RFC 4992" },
	{ "ldap", 389, TCP, "RFC 4516" },
	{ "ldaps", 636, TCP, "IANA, service ldaps" },
	{ "mongodb", 27017, TCP, "MongoDB manual, connection strings" },
	{ "mqtt", 1883, TCP, "OASIS MQTT 5.0 section 4.2" },
	{ "mqtts", 8883, TCP, "OASIS MQTT 5.0 section 4.2" },
	{ "mupdate", 3905, TCP, "RFC 3656" },
	{ "mysql", 3306, TCP, "IANA, service mysql" },
	{ "nfs", 2049, TCP, "RFC 2224" },
	{ "nntp", 119, TCP, "RFC 5538" },
	{ "nntps", 563, TCP, "RFC 4642; IANA, service nntps" },
	{ "pop", 110, TCP, "RFC 2384" },
	{ "pops", 995, TCP, "RFC 8314; IANA, service pop3s" },
	{ "postgres", 5432, TCP, "PostgreSQL manual, libpq; IANA, service postgresql" },
	{ "postgresql", 5432, TCP, "PostgreSQL manual, libpq; IANA, service postgresql" },
	{ "rdp", 3389, TCP, "IANA, service ms-wbt-server" },
	{ "redis", 6379, TCP, "IANA, service redis" },
	{ "rediss", 6379, TCP, "IANA, service redis (custom of clients)" },
	{ "rsync", 873, TCP, "RFC 5781" },
	{ "rtmp", 1935, TCP, "IANA, service macromedia-fcs" },
	{ "rtsp", 554, TCP, "RFC 7826 section 4.2" },
	{ "rtsps", 322, TCP, "RFC 7826 section 4.2" },
	{ "rtspu", 554, UDP, "RFC 2326 section 3.2" },
	{ "sftp", 22, TCP, "draft-ietf-secsh-scp-sftp-ssh-uri" },
	{ "sip", 5060, UDP | TCP | SCTP, "RFC 3261 section 19.1.2" },
	{ "sips", 5061, TCP | SCTP, "RFC 3261 section 19.1.2" },
	{ "smb", 445, TCP, "IANA, service microsoft-ds" },
	{ "smtp", 25, TCP, "RFC 5321" },
	{ "smtps", 465, TCP, "RFC 8314, service submissions" },
	{ "snmp", 161, UDP, "RFC 4088" },
	{ "soap.beep", 605, TCP, "RFC 4227" },
	{ "soap.beeps", 605, TCP, "RFC 4227" },
	{ "ssh", 22, TCP, "draft-ietf-secsh-scp-sftp-ssh-uri; RFC 4253" },
	{ "stun", 3478, UDP | TCP, "RFC 7064" },
	{ "stuns", 5349, TCP | UDP, "RFC 7064" },
	{ "svn", 3690, TCP, "IANA, service svn" },
	{ "telnet", 23, TCP, "RFC 4248" },
	{ "tftp", 69, UDP, "RFC 3617" },
	{ "tip", 3372, TCP, "RFC 2371" },
	{ "turn", 3478, UDP | TCP, "RFC 7065" },
	{ "turns", 5349, TCP | UDP, "RFC 7065" },
	{ "vemmi", 575, TCP, "RFC 2122" },
	{ "vnc", 5900, TCP, "RFC 7869" },
	{ "wais", 210, TCP, "RFC 4156" },
	{ "whois", 43, TCP, "RFC 3912" },
	{ "ws", 80, TCP, "RFC 6455 section 3" },
	{ "wss", 443, TCP, "RFC 6455 section 3" },
	{ "xmlrpc.beep", 602, TCP, "RFC 3529" },
	{ "xmlrpc.beeps", 602, TCP, "RFC 3529" },
	{ "z39.50r", 210, TCP, "RFC 2056" },
	{ "z39.50s", 210, TCP, "RFC 2056" },
	{ NULL, 0, 0, NULL },
};
/* clang-format on */

#define SCHEMES (sizeof(berth_schemes) / sizeof(*berth_schemes) - 1)

const struct berth_scheme *berth_scheme_find(const char *name, size_t len)
{
	size_t low = 0, high = SCHEMES;

	while (low < high) {
		size_t at = low + (high - low) / 2;
		int order = strncasecmp(berth_schemes[at].name, name, len);

		/* A scheme that only begins with the name stands behind it. */
		if (!order && !berth_schemes[at].name[len])
			return &berth_schemes[at];
		if (order < 0)
			low = at + 1;
		else
			high = at;
	}
	return NULL;
}

const char *berth_scheme_near(const char *name)
{
	struct berth_near best = { 0 };
	size_t i;

	for (i = 0; i < SCHEMES; i++)
		berth_near_consider(name, berth_schemes[i].name, strlen(berth_schemes[i].name),
				    &best);
	return best.text;
}
