using System.Security.Cryptography;
using System.Text;
using Grpc.Core;
using KeyService.Crypto;
using KeyService.Crypto.Logs;
using KeyService.Protocol.V1;
using KeyService.Server.Access;
using KeyService.Server.Audit;
using KeyService.Server.Detection;
using KeyService.Server.Pipeline;
using KeyService.Server.Storage;

namespace KeyService.Tests.Detection;

/// <summary>What people do with findings, over any store: held by SQLite and PostgreSQL alike.</summary>
internal sealed class ReviewContract(IStore store, RowAuthenticator rows, TimeProvider time)
{
    private const string Month = "2026-11";

    private readonly FindingTable _findings = new(rows);
    private readonly SignOffTable _signOffs = new(rows);

    private FindingReviews Reviews => new(_findings, _signOffs, rows);

    /// <summary>Two findings about mallory and one about root-admin, from finding to signature.</summary>
    public async Task CheckAsync()
    {
        await FollowAsync();
        await FailAsync("mallory");
        await FailAsync("mallory");
        await FailAsync("root-admin");
        await FollowAsync();
        var open = await ListAsync(openOnly: true);
        Assert.Equal(["mallory", "mallory", "root-admin"], open.Select(each => each.Subject).Order());
        Assert.Equal(3, open.Select(each => each.Id).Distinct().Count());

        // Pages meet without a gap.
        var first = await PageAsync(null, 2);
        Assert.Equal(open.Select(each => each.Id), first.Concat(await PageAsync((first[1].MadeAt, first[1].Id), 2)).Select(each => each.Id));

        // By the time of their records, which is how an auditor asks.
        Assert.Equal(open.Select(each => each.Id).Order(), (await RecordedAsync(open.Min(each => each.RecordedAt), open.Max(each => each.RecordedAt) + 1)).Select(each => each.Id).Order());
        Assert.DoesNotContain(await RecordedAsync(0, open.Max(each => each.RecordedAt)), each => each.RecordedAt == open.Max(one => one.RecordedAt));
        Assert.Empty(await RecordedAsync(0, open.Min(each => each.RecordedAt)));

        var about = open.Single(each => each.Subject == "root-admin");
        var others = open.Where(each => each.Subject == "mallory").ToList();
        await RefusedAsync(Reason.OwnFinding, transaction => Reviews.CloseAsync(transaction, about.Id, about.IdText, "root-admin", Disposition.Expected, "me"));
        await RefusedAsync(Reason.OwnFinding, transaction => Reviews.AssignAsync(transaction, about.Id, about.IdText, "root-admin"));
        await RefusedAsync(Reason.InvalidArgument, transaction => Reviews.AssignAsync(transaction, others[0].Id, others[0].IdText, "nobody"));
        await RefusedAsync(Reason.NotFound, transaction => Reviews.AssignAsync(transaction, 7, "0000000000000007", "root-admin"));

        await CommitAsync(transaction => Reviews.AssignAsync(transaction, others[0].Id, others[0].IdText, "root-admin"));
        Assert.Equal("root-admin", (await ListAsync(openOnly: true)).Single(each => each.Id == others[0].Id).Assignee);
        await CommitAsync(transaction => Reviews.CloseAsync(transaction, others[0].Id, others[0].IdText, "root-admin", Disposition.Incident, "reported"));
        await RefusedAsync(Reason.FindingClosed, transaction => Reviews.CloseAsync(transaction, others[0].Id, others[0].IdText, "carol", Disposition.Mistake, "no"));
        await RefusedAsync(Reason.FindingClosed, transaction => Reviews.AssignAsync(transaction, others[0].Id, others[0].IdText, "root-admin"));
        var closed = (await ListAsync(openOnly: false)).Single(each => each.Id == others[0].Id);
        Assert.Equal(("root-admin", (long)Disposition.Incident, "reported", 3L), (closed.ClosedBy, closed.Disposition, closed.Note, closed.Revision));

        // A month is signed when nothing of it is open, by nobody whom it is about, once.
        await SignOffRefusedAsync(Reason.ReviewIncomplete, "carol");
        await CommitAsync(transaction => Reviews.CloseAsync(transaction, others[1].Id, others[1].IdText, "carol", Disposition.Expected, "known"));
        await CommitAsync(transaction => Reviews.CloseAsync(transaction, about.Id, about.IdText, "carol", Disposition.FalsePositive, "a test"));
        await SignOffRefusedAsync(Reason.OwnFinding, "root-admin");
        await SignOffRefusedAsync(Reason.OwnFinding, "mallory");
        var signed = await SignAsync("carol");
        var row = await CommitAsync(transaction => Reviews.SignOffAsync(transaction, signed));
        Assert.Equal((3L, "carol"), (row.Findings, row.Reviewer));
        await SignOffRefusedAsync(Reason.AlreadyExists, "dave");

        // The note verifies by its key and names what was reviewed.
        var kept = Assert.Single(await store.ReadAsync(connection => _signOffs.ListAsync(connection, CancellationToken.None), CancellationToken.None));
        Assert.True(SignedNote.TryParse(kept.Note, out var note));
        Assert.True((await Signer.VerifierAsync(SignOffNote.Origin(new byte[16]), CancellationToken.None)).Signed(note!));
        Assert.Equal(
            $"keyservice/{new string('0', 32)}/reviews\n{Month}\ncarol\n{time.GetUtcNow().UtcDateTime:yyyy-MM-dd'T'HH:mm:ss'Z'}\n3\n{Convert.ToBase64String(signed.Digest)}\n",
            note!.Text);
        Assert.Equal(signed.Digest, SignOffNote.DigestOf(await store.ReadAsync(connection => _findings.ListMonthAsync(connection, null, Month, CancellationToken.None), CancellationToken.None)));
    }

    private Task<IReadOnlyList<FindingRow>> RecordedAsync(long from, long until) =>
        store.ReadAsync(connection => _findings.ListRecordedAsync(connection, from, until, CancellationToken.None), CancellationToken.None);

    /// <summary>A finding that is closed otherwise between the signature and the change is not signed off by it.</summary>
    public async Task CheckChangedAsync()
    {
        await FollowAsync();
        var signed = await SignAsync("carol");
        await FailAsync("mallory");
        await FollowAsync();
        var finding = Assert.Single(await ListAsync(openOnly: true));
        await CommitAsync(transaction => Reviews.CloseAsync(transaction, finding.Id, finding.IdText, "carol", Disposition.Expected, "known"));
        await RefusedAsync(Reason.ReviewIncomplete, transaction => Reviews.SignOffAsync(transaction, signed));
    }

    private static readonly ECDsa Key = ECDsa.Create(ECCurve.NamedCurves.nistP256);

    private static ReviewSigner Signer => new(
        _ => ValueTask.FromResult(Key.ExportSubjectPublicKeyInfo()), (digest, _) => ValueTask.FromResult(Key.SignHash(digest.Span)));

    private Task<SignedMonth> SignAsync(string by) => Reviews.SignAsync(store, Signer, Month, by, time.GetUtcNow(), CancellationToken.None);

    private async Task SignOffRefusedAsync(Reason reason, string by)
    {
        var signed = await SignAsync(by);
        await RefusedAsync(reason, transaction => Reviews.SignOffAsync(transaction, signed));
    }

    private async Task RefusedAsync<T>(Reason reason, Func<IStoreTransaction, Task<T>> change) =>
        Assert.Equal(reason, (await Assert.ThrowsAsync<Refusal>(() => CommitAsync(change))).Reason);

    private async Task<T> CommitAsync<T>(Func<IStoreTransaction, Task<T>> change)
    {
        T? result = default;
        await store.CommitAsync(new AuditRecordDraft(AuditEvent.FindingClosed), async transaction => result = await change(transaction), CancellationToken.None);
        return result!;
    }

    private Task<IReadOnlyList<FindingRow>> ListAsync(bool openOnly) => store.ReadAsync(
        connection => _findings.PageAsync(connection, openOnly, null, null, 100, CancellationToken.None), CancellationToken.None);

    private Task<IReadOnlyList<FindingRow>> PageAsync((long, long)? after, int size) => store.ReadAsync(
        connection => _findings.PageAsync(connection, true, null, after, size, CancellationToken.None), CancellationToken.None);

    private async Task FollowAsync()
    {
        var follower = new DetectionFollower(new DetectionConfiguration { Calendar = SiteCalendar.Utc }, store, rows, _findings, time);
        while (await follower.StepAsync(CancellationToken.None))
        {
        }

        await follower.FinishAsync();
    }

    private async Task FailAsync(string person)
    {
        for (var i = 0; i < 3; i++)
        {
            await store.CommitAsync(
                new AuditRecordDraft(AuditEvent.SessionOpened)
                {
                    Outcome = KeyService.Crypto.AuditOutcome.Refused, Principal = person, PrincipalType = KeyService.Server.Access.PrincipalType.Person, Reason = "SECOND_FACTOR_REFUSED", Source = "192.0.2.1:1",
                },
                null, CancellationToken.None);
        }
    }
}
