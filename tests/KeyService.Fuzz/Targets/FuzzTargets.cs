using KeyService.Fuzz.Engine;

namespace KeyService.Fuzz.Targets;

/// <summary>Every target. A test holds that each parser of ours is in one of them and that each has a corpus.</summary>
internal static class FuzzTargets
{
    public static IReadOnlyList<FuzzTarget> All { get; } =
    [
        .. ContextTargets.All, .. TokenTargets.All, .. ArchiveTargets.All, .. RecordTargets.All, .. LogTargets.All, .. RevocationTargets.All, .. ApprovalTargets.All, .. ShareTargets.All, .. CeremonyTargets.All, .. OidcTargets.All, .. BundleTargets.All, .. WriteAheadLogTargets.All, .. MessageTargets.All, .. StreamTargets.All,
        .. ProtobufTargets.All, .. FrameTargets.All, .. NameTargets.All, .. ConfigurationTargets.All, .. CommandTargets.All, .. AnswerTargets.All,
    ];

    public static FuzzTarget Named(string name) =>
        All.FirstOrDefault(target => target.Name == name)
        ?? throw new ArgumentException($"There is no target {name}; there are {string.Join(", ", All.Select(target => target.Name))}.");
}
