using KeyService.Crypto.Logs;
using KeyService.Protocol.V1;
using KeyService.Server.Access;
using KeyService.Server.Pipeline;
using KeyService.Server.Storage;

namespace KeyService.Server.Detection;

/// <summary>A month as it was signed: the note, and what it commits to.</summary>
internal sealed record SignedMonth(string Month, string Reviewer, SignedNote Note, byte[] Digest);

/// <summary>What people do with findings: who may, what must be so, what is written. Nobody reviews what is about himself.</summary>
internal sealed class FindingReviews(FindingTable findings, SignOffTable signOffs, RowAuthenticator rows)
{
    /// <summary>Says who looks into a finding.</summary>
    /// <exception cref="Refusal">NOT_FOUND, FINDING_CLOSED, INVALID_ARGUMENT, OWN_FINDING.</exception>
    public async Task<FindingRow> AssignAsync(IStoreTransaction transaction, long id, string idText, string name)
    {
        var finding = await RequireOpenAsync(transaction, id, idText);
        if (await new AccessRows(rows).FindPrincipalAsync(transaction.Connection, name, CancellationToken.None) is not { Disabled: false })
        {
            throw Refusal.InvalidArgument("assignee", "must be the name of a principal that is not disabled");
        }

        if (Concerns(finding, name))
        {
            throw new Refusal(Reason.OwnFinding, $"This finding is about {name}. Somebody else looks into it.");
        }

        (finding.Assignee, finding.AssignedAt) = (name, UnixTime.Nanoseconds(transaction.Time));
        await findings.UpdateAsync(transaction, finding);
        return finding;
    }

    /// <summary>Says what a finding turned out to be.</summary>
    /// <exception cref="Refusal">NOT_FOUND, FINDING_CLOSED, OWN_FINDING.</exception>
    public async Task<FindingRow> CloseAsync(IStoreTransaction transaction, long id, string idText, string by, Disposition disposition, string note)
    {
        var finding = await RequireOpenAsync(transaction, id, idText);
        if (Concerns(finding, by))
        {
            throw new Refusal(Reason.OwnFinding, "This finding is about you. Somebody else looks into it and closes it.");
        }

        (finding.Disposition, finding.Note) = ((long)disposition, note);
        (finding.ClosedBy, finding.ClosedAt) = (by, UnixTime.Nanoseconds(transaction.Time));
        await findings.UpdateAsync(transaction, finding);
        return finding;
    }

    /// <summary>Has the HSM sign a month as it stands: outside of a change, which must not wait for it; <see cref="SignOffAsync"/> compares.</summary>
    public async Task<SignedMonth> SignAsync(
        IStore store, ReviewSigner signer, string month, string by, DateTimeOffset now, CancellationToken cancellationToken)
    {
        var origin = SignOffNote.Origin((await Installation.ReadAsync(store, cancellationToken))!.LogId);
        var all = await store.ReadAsync(connection => findings.ListMonthAsync(connection, null, month, cancellationToken), cancellationToken);
        var note = await signer.SignAsync(origin, SignOffNote.TextOf(origin, month, by, now, all), cancellationToken);
        return new SignedMonth(month, by, note, SignOffNote.DigestOf(all));
    }

    /// <summary>Keeps the signature of a month that is over.</summary>
    /// <exception cref="Refusal">REVIEW_INCOMPLETE, OWN_FINDING, ALREADY_EXISTS.</exception>
    public async Task<SignOffRow> SignOffAsync(IStoreTransaction transaction, SignedMonth signed)
    {
        await findings.VerifyCountAsync(transaction.Connection, CancellationToken.None);
        var all = await findings.ListMonthAsync(transaction.Connection, transaction.Transaction, signed.Month, CancellationToken.None);
        if (all.FirstOrDefault(each => each.IsOpen) is { } open)
        {
            throw new Refusal(
                Reason.ReviewIncomplete,
                $"{all.Count(each => each.IsOpen)} findings of {signed.Month} are open, {open.IdText} for one. Close them first: keyservice review list.");
        }

        if (all.Any(each => Concerns(each, signed.Reviewer)))
        {
            throw new Refusal(Reason.OwnFinding, $"Findings of {signed.Month} are about you. Somebody else signs this month off.");
        }

        if ((await signOffs.ListAsync(transaction.Connection, CancellationToken.None)).Any(each => each.Month == signed.Month))
        {
            throw Refusal.AlreadyExists($"The sign-off of {signed.Month}");
        }

        if (!SignOffNote.DigestOf(all).AsSpan().SequenceEqual(signed.Digest))
        {
            throw new Refusal(Reason.ReviewIncomplete, $"The findings of {signed.Month} changed while they were signed. Look at them, and sign off again.");
        }

        var row = new SignOffRow
        {
            Month = signed.Month, Reviewer = signed.Reviewer, Findings = all.Count, Note = signed.Note.ToArray(), SignedAt = UnixTime.Nanoseconds(transaction.Time), Revision = 1,
        };
        await signOffs.InsertAsync(transaction, row);
        return row;
    }

    // "dr-x via database" is about dr-x, and about whoever calls as the database.
    private static bool Concerns(FindingRow finding, string principal) =>
        finding.Subject == principal || finding.Subject.StartsWith($"{principal} via ", StringComparison.Ordinal)
        || finding.Subject.EndsWith($" via {principal}", StringComparison.Ordinal);

    private async Task<FindingRow> RequireOpenAsync(IStoreTransaction transaction, long id, string idText)
    {
        var finding = await findings.FindAsync(transaction.Connection, transaction.Transaction, id, CancellationToken.None) ?? throw Refusal.NotFound($"Finding '{idText}'");
        return finding.IsOpen ? finding : throw new Refusal(Reason.FindingClosed, $"Finding {idText} was closed by {finding.ClosedBy}. What was said of it stays.");
    }
}
