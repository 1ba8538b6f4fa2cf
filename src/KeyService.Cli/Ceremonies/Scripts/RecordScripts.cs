using KeyService.Crypto.Ceremonies;

namespace KeyService.Cli.Ceremonies;

/// <summary>Ceremonies that make no key: people decide, see and sign.</summary>
internal static class RecordScripts
{
    private const string NoToken = "No token takes part.";

    public static CeremonyScript OfficerEnrolment() => new(CeremonyKind.OfficerEnrolment, "Officer enrolment: officers accept the roster that names them",
    [
        CommonSteps.Attendance(1),
        CommonSteps.StationWithoutHsm(2, NoToken),
        new(3, "The roster", "The roster is read aloud: its hash, its quorum, each officer with the fingerprint of his or her key.", "Nothing has been made yet.", OfficerSteps.ShowRosterAsync),
        new(4, "Each officer accepts", "One officer after the other compares the fingerprint with the paper that came with the key, and signs the roster with it.",
            "A roster counts when it is installed, and not before.", OfficerSteps.AcceptAsync) { HasParts = true },
    ])
    {
        PointOfNoReturn = int.MaxValue,
        WhenVoid = "The roster is not installed; make it again.",
        Afterwards = "For a later roster a quorum of the officers before appoints too (keyservice officer roster sign). Then it is installed: keyservice officer roster install FILE. Keep its hash on paper.",
    };

    public static CeremonyScript KeyDestruction() => new(CeremonyKind.KeyDestruction, "Key destruction: what still holds a destroyed key is destroyed too",
    [
        CommonSteps.Attendance(1),
        CommonSteps.StationWithoutHsm(2, NoToken),
        new(3, "The certificate", "The certificate of the destruction is read: which versions, which bundles and dumps still hold them.", "Nothing has been destroyed yet.", DocumentSteps.AttachAsync),
        new(4, "The copies", "Each copy that was named beforehand is destroyed before witnesses.", "It cannot be undone. Type stop if any of these may still be needed.", DocumentSteps.DestroyCopiesAsync)
        {
            HasParts = true,
        },
    ])
    {
        PointOfNoReturn = 4,
        WhenVoid = "Note which copies were destroyed and which were not; the certificate stays incomplete.",
        Afterwards = "Keep the transcript with the certificate: it attests which copies are gone.",
    };

    public static CeremonyScript BreakGlassReview() => new(CeremonyKind.BreakGlassReview, "Break-glass review: what was done with emergency access is judged",
    [
        CommonSteps.Attendance(1),
        CommonSteps.StationWithoutHsm(2, NoToken),
        new(3, "The records", "The records of the emergency are read: who asked, who confirmed, what was looked at.", "Nothing is changed.", DocumentSteps.AttachAsync),
        new(4, "The judgement", "Everybody says what they think; the administrator types what was agreed.", "What is typed here stays in the transcript.", DocumentSteps.JudgeAsync),
    ])
    {
        PointOfNoReturn = int.MaxValue,
        WhenVoid = "Nothing was decided; until there is a review there is no other emergency access.",
        Afterwards = "An officer who had no part enters the verdict: keyservice break-glass review ID.",
    };
}
