using KeyService.Server.Audit;

namespace KeyService.Tests.Audit;

public sealed class AuditEventsTests
{
    /// <summary>Only grows: these numbers, names and types stand in every log ever written.</summary>
    [Fact]
    public void Numbers_names_and_types_are_frozen()
    {
        Assert.Equal(
            """
            100 service-started Administer
            101 service-stopped Administer
            102 installation-created Administer
            103 status-read Read
            104 hsm-guarantees-read Read
            105 unknown-method-called Read
            106 stream-end-missing Administer
            107 store-account-taken Administer
            108 store-scrubbed Administer
            109 store-restore-found Administer
            110 store-accepted Administer
            111 store-trust-read Read
            112 clock-found Administer
            113 store-scrub-requested Read
            129 registers-begun Administer
            200 principal-created Administer
            201 principals-listed Read
            202 principal-disabled Administer
            203 grant-created Administer
            204 grants-listed Read
            205 grant-revoked Administer
            206 own-access-read Read
            207 authentication-refused Read
            208 forbidden-pair-refused Administer
            209 effective-access-listed Read
            210 access-explained Read
            211 quota-reserved Administer
            212 ai-item-encrypted Modify
            213 ai-item-decrypted Read
            214 principal-moved Administer
            215 leavers-reported Read
            240 second-factor-offered Administer
            241 second-factor-activated Administer
            242 session-opened Administer
            243 session-confirmed Administer
            244 session-closed Administer
            245 own-session-read Read
            246 sessions-listed Read
            247 session-ended-by-officer Administer
            248 person-unlocked Administer
            249 second-factor-reset Administer
            250 second-factors-listed Read
            251 session-used Administer
            252 session-ended Administer
            253 credential-at-new-place Administer
            254 place-policy-set Administer
            255 place-noted Administer
            256 places-listed Read
            260 approvals-listed Read
            261 approval-read Read
            262 approval-decided Administer
            263 roster-installed Administer
            264 rosters-read Read
            265 key-versions-destroyed Delete
            270 access-review-started Administer
            271 access-reviews-listed Read
            272 access-review-read Read
            273 access-attested Administer
            274 access-review-reassigned Administer
            275 access-suspended-at-deadline Administer
            276 access-review-closed Administer
            277 access-review-result-read Read
            278 own-access-review-read Read
            279 access-review-announced Administer
            300 key-created Administer
            301 key-read Read
            302 keys-listed Read
            303 key-rotated Administer
            304 key-versions-listed Read
            305 key-wraps-reserved Administer
            306 key-versions-prepared Administer
            307 key-policy-changed Administer
            308 key-version-state-changed Administer
            309 key-transitions-listed Read
            310 key-impact-read Read
            311 key-ages-listed Read
            312 rotation-status-read Read
            313 key-use-metered Administer
            400 data-key-generated Modify
            401 data-keys-generated Modify
            402 data-key-unwrapped Read
            403 data-key-rewrapped Modify
            404 data-keys-rewrapped Modify
            405 lease-watch-opened Read
            406 lease-watch-closed Read
            407 data-key-use-reported Modify
            408 data-key-grace-use-reported Modify
            500 field-encrypted Modify
            501 field-decrypted Read
            502 fields-encrypted Modify
            503 fields-decrypted Read
            504 fields-reencrypted Modify
            505 encrypt-stream-opened Modify
            506 encrypt-stream-closed Modify
            507 decrypt-stream-opened Read
            508 decrypt-stream-closed Read
            600 audit-tail-opened Read
            601 audit-tail-closed Read
            602 audit-log-marked Administer
            603 audit-checkpoint-made Administer
            604 audit-directory-signed Administer
            605 audit-log-keys-read Read
            606 audit-export-opened Read
            607 audit-export-closed Read
            608 audit-record-proven Read
            609 audit-key-rotated Administer
            630 audit-sink-advanced Administer
            631 audit-sink-failed Administer
            632 audit-sink-recovered Administer
            633 audit-sinks-listed Read
            640 detection-advanced Administer
            641 findings-made Administer
            650 findings-listed Read
            651 finding-read Read
            652 finding-assigned Administer
            653 finding-closed Administer
            654 review-signed-off Administer
            655 sign-offs-listed Read
            670 audit-index-extended Administer
            671 audit-searched Read
            680 audit-archive-registered Modify
            681 audit-archives-listed Read
            682 audit-records-deleted Delete
            683 audit-records-removed Delete
            690 evidence-export-opened Read
            691 evidence-exported Read
            700 alarm-raised Administer
            701 alarm-cleared Administer
            702 alarm-acknowledged Administer
            703 alarms-listed Read
            704 alarm-delivery-failed Administer
            705 alarm-repeated Administer
            706 alarm-watch-opened Read
            707 alarm-watch-closed Read
            708 certificates-listed Read
            800 backup-export-requested Administer
            801 backup-bundles-listed Read
            802 backup-copies-checked Read
            803 backup-bundle-recorded Administer
            804 backup-copy-recorded Administer
            805 backup-versions-recorded Administer
            820 restore-begun Administer
            821 keys-restored Administer
            822 installation-restored Administer
            900 holding-registered Administer
            901 holding-read Read
            902 holdings-listed Read
            903 holding-retired Administer
            904 holding-reported Administer
            910 campaign-started Administer
            911 campaign-read Read
            912 campaigns-listed Read
            913 campaign-proven Administer
            914 campaign-abandoned Administer
            920 destruction-scheduled Delete
            921 destruction-cancelled Delete
            922 destruction-read Read
            923 destructions-listed Read
            924 destruction-awaits-approval Delete
            925 destruction-blocked Delete
            926 destroying-version-used Administer
            1000 break-glass-asked Administer
            1001 break-glass-confirmed Administer
            1002 break-glass-seal-opened Administer
            1003 break-glass-closed Administer
            1004 break-glass-ended Administer
            1005 break-glass-reviewed Administer
            1006 break-glass-listed Read
            1007 break-glass-envelopes-made Administer
            """,
            string.Join('\n', Enum.GetValues<AuditEvent>().Select(each => $"{(ushort)each} {AuditEvents.NameOf(each)} {AuditEvents.TypeOf(each)}")));
    }

    [Fact]
    public void An_event_of_a_newer_version_still_has_a_name() => Assert.Equal("event-9999", AuditEvents.NameOf((AuditEvent)9999));
}
