# SPDX-License-Identifier: Apache-2.0
"""The daemon and its workers are killed at writes of making and releasing a claim; see test_85_kill for the rest."""

import contextlib
import http.client

import api
import test_33_claims as claims
import test_85_kill as kill
from tracer import Tracer


@api.timeout(400)
class Kills(claims.Case):
    """The daemon and its workers die while a claim is made or released; the next daemon brings it to an end."""

    devices = (claims.NIC, claims.PAIR0, claims.PAIR1)

    def test_every_other_write_of_a_claim(self):
        points = 0
        for number in range(1, 10, 2):
            with self.subTest(f"making, write {number}"):
                points += self.cut_off(("POST", "/v1/claims", {"devices": [claims.NIC, claims.PAIR0]}), number)
                self.settle()
        for number in range(1, 10, 2):
            with self.subTest(f"releasing, write {number}"):
                made = claims.claim(devices=[claims.NIC, claims.PAIR0])
                points += self.cut_off(("DELETE", claims.path_of(made), None), number)
                api.wait_for(lambda made=made: claims.state_of(made) != "releasing", 60, "the release")
                self.settle()
        print(f"{points} kill points, all good")
        self.assertGreater(points, 6)

    def cut_off(self, request, number):
        daemon = kill.daemon_pid()
        with Tracer(daemon, "both", number, "after") as tracer:
            with contextlib.suppress(OSError, http.client.HTTPException):
                kill.ask(request)
            if not tracer.has_reached():
                return 0
        api.wait_for(lambda: kill.daemon_pid() not in (None, daemon) and api.daemon_answers(), 40, "the next daemon")
        return 1

    def settle(self):
        """Every claim is active or over; an active one has its devices, and gives them back."""
        api.wait_for(kill.all_ended, 40, "no operation to be under way")
        for made in api.request("GET", "/v1/claims").json["items"]:
            self.assertIn(made["state"], ("active", "released", "lost"), made)
            if made["state"] == "active":
                self.assertEqual({item["driver"] for item in made["devices"]}, {"vfio-pci"}, made)
                self.assertEqual(api.request("DELETE", claims.path_of(made)).json["state"], "released")
        self.assert_given_back()
