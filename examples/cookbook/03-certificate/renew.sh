#!/bin/sh
set -eu
if [ -e tls/current ]; then
  taskhost notify state expires "$(openssl x509 -noout -enddate -in tls/current/cert.pem | cut -d= -f2)"
  openssl x509 -noout -checkend $((30 * 86400)) -in tls/current/cert.pem && exit 75
fi
new=$(date -u +%Y%m%dT%H%M%SZ)-$$
mkdir -p "tls/$new"
# In place of this command: certbot, lego, or a request to an authority of your own.
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 90 \
  -subj "/CN=$NAME" -addext "subjectAltName=DNS:$NAME" -keyout "tls/$new/key.pem" -out "tls/$new/cert.pem"
ln -s "$new" tls/current.new
mv -T tls/current.new tls/current
taskhost notify state expires "$(openssl x509 -noout -enddate -in tls/current/cert.pem | cut -d= -f2)"
