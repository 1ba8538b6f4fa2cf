using System.Text;
using KeyService.Server.Detection;
using KeyService.Server.Storage;

namespace KeyService.Server.Evidence;

/// <summary>What was found in the audit log in a range of time, what people made of it, and the months that they signed off.</summary>
internal sealed class ReviewEvidence(
    IStore store, RowAuthenticator rows, FindingTable findings, SignOffTable signOffs, ReviewSigner signer, TimeProvider time, DetectionConfiguration? configuration = null)
{
    /// <summary>The verifier key of the notes.</summary>
    public const string KeyName = "reviews/key";

    private const string Paragraph = "164.308(a)(1)(ii)(D)";

    /// <exception cref="StoreTamperedException">A register was changed outside the service.</exception>
    public async Task<IReadOnlyList<EvidenceItem>> CollectAsync(EvidenceRange range, CancellationToken cancellationToken)
    {
        var installation = (await Installation.ReadAsync(store, cancellationToken))!;
        var (found, signed, state) = await store.ReadAsync(
            async connection => (
                await findings.ListRecordedAsync(connection, UnixTime.Nanoseconds(range.From), UnixTime.Nanoseconds(range.Until), cancellationToken),
                await signOffs.ListAsync(connection, cancellationToken),
                await DetectionRow.ReadAsync(connection, rows, cancellationToken)),
            cancellationToken);
        var months = ReviewedMonth.Of(range, installation.CreateTime, state?.BeganAt, time.GetUtcNow(), configuration, found, signed);
        var key = await signer.VerifierAsync(SignOffNote.Origin(installation.LogId), cancellationToken);
        return
        [
            EvidenceItem.OfMessages(
                "reviews/findings.json", "Findings of the audit log and what became of them", Paragraph,
                $"What the rules found in records of the range: whom it is about, who looked into it, what it turned out to be, in whose words and when. {Looking(state?.BeganAt)}",
                found.Select(ReviewMessages.ToMessage)),
            EvidenceItem.OfLines(
                "reviews/sign-offs.csv", "Months signed off", Paragraph,
                "Every month that the range touches, with whoever signed its review, and those that nobody has signed. A note is a C2SP signed note of the HSM over the findings as they were closed; reviews/key verifies it.",
                ReviewedMonth.Header, [.. months.Select(month => month.ToLine())]) with
            {
                Beside =
                [
                    .. months.Where(month => month.SignOff is not null).Select(month => new EvidenceFile(month.NoteName, month.SignOff!.Note)),
                    new EvidenceFile(KeyName, Encoding.UTF8.GetBytes($"{key}\n")),
                ],
            },
        ];
    }

    private string Looking(DateTimeOffset? beganAt) => (configuration, beganAt) switch
    {
        (null, null) => "Detection is off and never was on: nothing was looked for.",
        (null, { } began) => string.Create(System.Globalization.CultureInfo.InvariantCulture, $"Detection is off now; it began at {began:u}."),
        (_, null) => "Detection has not begun yet.",
        (_, { } began) => string.Create(System.Globalization.CultureInfo.InvariantCulture, $"Detection began at {began:u}; of before nothing was looked for."),
    };
}
