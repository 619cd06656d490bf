#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# A client in Perl: OpenAPI::Client makes a class of the contract, with a method for each operationId. It holds each request against the
# contract before it sends it.
# Usage: client.pl CONTRACT SOCKET
use v5.36;
use Mojo::URL;
use Mojo::Util qw(url_escape);
use OpenAPI::Client;

my ($contract, $socket) = @ARGV;
my $api = OpenAPI::Client->new("file://$contract");
$api->base_url(Mojo::URL->new('http+unix://' . url_escape($socket)));

sub demand ($tx) {
    die $tx->req->method, ' ', $tx->req->url, ': ', $tx->error->{message}, ' ', $tx->res->body, "\n" if $tx->error;
    return $tx->res->json;
}

my $devices = demand($api->listDevices({driver => ['e1000e']}));
say 'devices ', join ',', map { $_->{address} } @{$devices->{items}};

my $claim = demand($api->postClaim({body => {devices => ['0000:20:00.0'], ttl_seconds => 300, labels => {made_by => 'perl'}}}));
say join ' ', 'claim', $claim->{state}, $_->{address}, $_->{driver}, $_->{nodes}{group}{path} for @{$claim->{devices}};
my ($held) = grep { $_->{id} eq $claim->{id} } @{demand($api->listClaims({device => ['0000:20:00.0']}))->{items}};
say join ' ', 'held', $held ? 'true' : 'false', $held->{labels}{made_by};

my $refused = $api->putBinding({bdf => '0000:06:00.0', body => {driver => 'vfio-pci'}})->res;
say join ' ', 'refused', $refused->code, $refused->json->{code}, join ',', map { $_->{code} } @{$refused->json->{blockers}};

# What the contract does not have is not sent at all.
my $wrong = $api->postClaim({body => {devices => [42]}});
die 'a request that does not fit the contract was sent: ', $wrong->res->body unless $wrong->error && $wrong->error->{message} eq 'Invalid input';

say 'released ', demand($api->deleteClaim({id => $claim->{id}}))->{state};
