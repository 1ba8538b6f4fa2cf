using KeyService.Server.Access;
using KeyService.Server.AccessReviews;
using KeyService.Server.Alarms;
using KeyService.Server.Approvals;
using KeyService.Server.Audit;
using KeyService.Server.Audit.Retention;
using KeyService.Server.Audit.Sinks;
using KeyService.Server.Backups;
using KeyService.Server.BreakGlass;
using KeyService.Server.Ceremonies;
using KeyService.Server.Destruction;
using KeyService.Server.Detection;
using KeyService.Server.Holdings;
using KeyService.Server.Keys;
using KeyService.Server.Places;
using KeyService.Server.Restore;
using KeyService.Server.Sessions;

namespace KeyService.Server.Trust;

/// <summary>Every table whose rows carry a MAC: compared with the log, or named here with the reason why not.</summary>
internal static class DecidingTables
{
    /// <summary>Compared with the log by the scrub. Their rows are written through <see cref="Storage.RowAuthenticator.SealAsync"/>.</summary>
    public static IReadOnlyList<DecidingTable> All { get; } =
    [
        .. AccessRows.Deciding,
        .. QuotaTable.Deciding,
        .. AccessReviewTable.Deciding,
        .. AccessReviewItemTable.Deciding,
        .. SecondFactorTable.Deciding,
        .. SessionTable.Deciding,
        .. PlaceTables.Deciding,
        .. BreakGlassTable.Deciding,
        .. EnvelopeTable.Deciding,
        .. KeyTables.Deciding,
        .. KeyMaterialTables.Deciding,
        .. KeyTransitionTable.Deciding,
        .. AlarmTable.Deciding,
        .. BackupTables.Deciding,
        .. CeremonyTable.Deciding,
        .. HoldingTables.Deciding,
        .. CampaignTables.Deciding,
        .. DestructionTable.Deciding,
        .. ApprovalTable.Deciding,
        .. RosterTable.Deciding,
        .. SignedLog.Deciding,
        .. AuditArchive.Deciding,
        .. SinkRow.Deciding,
        .. FindingTable.Deciding,
        .. DetectionRow.Deciding,
        .. SignOffTable.Deciding,
        .. Restoration.Deciding,
        .. StoreAcceptance.Deciding,
        .. ClockMark.Deciding,
    ];

    /// <summary>Not compared, and why an old or missing row of theirs is noticed otherwise or does no harm.</summary>
    public static IReadOnlyDictionary<string, string> Exceptions { get; } = new Dictionary<string, string>(StringComparer.Ordinal)
    {
        ["installation"] = "one row, made once; without it or with another the service does not start",
        ["register_state"] = "follows from the rows that it counts, which are compared themselves",
        ["requests"] = "answers kept for 24 hours and then deleted; an old one is refused by its time",
        ["audit_slots"] = "marks of the log itself: the log and each server's own mark outside the database tell an old one",
        ["key_uses"] = "sums over calls that each stand in the log, thousands a minute; they inform, and what decides on destruction is asked of the log and the holdings too",
    };
}
