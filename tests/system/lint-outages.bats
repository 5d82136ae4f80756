# SPDX-License-Identifier: BSD-2-Clause
# berth lint: outages that happened, each with the configuration that led to it and its repaired twin. Needs no privilege.
# shellcheck shell=bash disable=SC2154
bats_require_minimum_version 1.5.0
load lint

@test "lint: Nomad with 20000-60000" {
  file /etc/nomad.d/client.hcl <<'END'
client {
  enabled          = true
  min_dynamic_port = 20000
  max_dynamic_port = 60000
}
END
  lint
  found 1 "ephemeral warning /etc/nomad.d/client.hcl:3 27233"
  sed -i s/60000/32000/ "$root/etc/nomad.d/client.hcl"
  lint
  found 0
}

@test "lint: Hadoop 2's ports" {
  file /etc/hadoop/conf/hdfs-site.xml <<'END'
<?xml version="1.0"?>
<configuration>
  <property>
    <name>dfs.datanode.address</name>
    <value>0.0.0.0:50010</value>
  </property>
  <property><name>dfs.namenode.http-address</name><value>nn:50070</value></property>
  <property><name>dfs.replication</name><value>50000</value></property>
</configuration>
END
  lint
  found 1 "ephemeral error /etc/hadoop/conf/hdfs-site.xml:5 1" "ephemeral error /etc/hadoop/conf/hdfs-site.xml:7 1"
  sed -i 's/50010/9866/; s/50070/9870/' "$root/etc/hadoop/conf/hdfs-site.xml"
  lint
  found 0
}

@test "lint: FreeSWITCH's one port" {
  file /etc/freeswitch/autoload_configs/switch.conf.xml <<'END'
<configuration name="switch.conf">
  <settings>
    <param name="rtp-start-port" value="16384"/>
    <!-- <param name="rtp-end-port" value="32768"/> -->
  </settings>
</configuration>
END
  lint
  found 1 "ephemeral warning /etc/freeswitch/autoload_configs/switch.conf.xml:3 1"
  sed -i 's/<!-- //; s/ -->//; s/32768/32766/' "$root/etc/freeswitch/autoload_configs/switch.conf.xml"
  lint
  found 0
}

@test "lint: Gluster's bricks and libvirt's migrations" {
  echo 'net.ipv4.ip_local_reserved_ports = 49152-60999' >"$root/etc/sysctl.d/x.conf"
  printf 'volume management\n    option max-port  60999\nend-volume\n' | file /etc/glusterfs/glusterd.vol
  file /etc/libvirt/qemu.conf <<<'#migration_port_min = 49152'
  lint
  found 1 "overlap warning /etc/glusterfs/glusterd.vol:2 64"
  printf 'migration_port_min = 20000\nmigration_port_max = 20063\n' | file /etc/libvirt/qemu.conf
  lint
  found 0
}

@test "lint: vsftpd's examples" {
  printf 'pasv_min_port=50000\npasv_max_port=60000\n' | file /etc/vsftpd.conf
  lint
  found 1 "ephemeral warning /etc/vsftpd.conf:1 10001"
  jq -e '.ways | index("sysctl -w net.ipv4.ip_local_reserved_ports=50000-60000")' "$tmp/json"
  printf 'pasv_min_port=30000\npasv_max_port=30999\n' | file /etc/vsftpd.conf
  lint
  found 0
  # Clients beyond the range, and a range that nobody named.
  echo 'max_clients=1001' >>"$root/etc/vsftpd.conf"
  lint
  found 1 "clients warning /etc/vsftpd.conf:3 -"
  file /etc/vsftpd.conf <<<'pasv_min_port=0'
  lint
  found 0
  lint --notes
  found 0 "floating note /etc/vsftpd.conf:1 -"
  file /etc/vsftpd.conf <<<'pasv_enable=NO'
  lint --notes
  found 0
}

@test "lint: Samba's RPC, coturn, rtpengine, RabbitMQ's tools: by default or as written" {
  printf '[global]\n   workgroup = X\n' | file /etc/samba/smb.conf
  lint
  found 1 "ephemeral warning /etc/samba/smb.conf:null 11848"
  printf '[global]\n   RPC Server Dynamic Port Range = 20000-21000\n' | file /etc/samba/smb.conf
  file /etc/turnserver.conf <<<'#min-port=49152'
  lint
  found 1 "ephemeral warning /etc/turnserver.conf:null 11848"
  printf 'min-port=22000\nmax-port=23000\n' | file /etc/turnserver.conf
  printf '[rtpengine]\nport-min = 30000\nport-max = 40000\n' | file /etc/rtpengine/rtpengine.conf
  lint
  found 1 "ephemeral warning /etc/rtpengine/rtpengine.conf:2 7233"
  sed -i s/40000/32766/ "$root/etc/rtpengine/rtpengine.conf"
  file /etc/rabbitmq/rabbitmq-env.conf <<<'#NODENAME=x'
  lint
  found 1 "ephemeral warning /etc/rabbitmq/rabbitmq-env.conf:null 11"
  printf 'CTL_DIST_PORT_MIN=25700\nCTL_DIST_PORT_MAX=25710\n' | file /etc/rabbitmq/rabbitmq-env.conf
  lint
  found 0
}

