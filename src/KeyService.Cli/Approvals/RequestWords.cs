using KeyService.Crypto.Approvals;

namespace KeyService.Cli.Approvals;

/// <summary>What will happen, in words. Said beside the parameters, never instead of them.</summary>
internal static class RequestWords
{
    public static string Of(ApprovalRequest request) => request.Method switch
    {
        "keyservice.v1.Destructions/CompleteDestruction" =>
            $"Destroys {List(request, "key_versions")} of the key {Of(request, "key")} in this installation, for good: what is encrypted under them can never be read again.",
        "keyservice.v1.Store/AcceptStore" =>
            $"Accepts the database as it stands, though it is older than what was seen of it, and encrypts again. Changes since then are lost.{(Of(request, "clock") == "true" ? " Accepts the clock too." : "")}",
        "keyservice.v1.Keys/SetKeyPolicy" =>
            $"Lets versions of the key {Of(request, "name")} protect for {Of(request, "rotation.period")} between rotations, longer than usual.",
        "keyservice.v1.Keys/CreateKey" =>
            $"Creates the key {Of(request, "name")}, whose versions protect for {Of(request, "rotation.period")} between rotations, longer than usual.",
        _ => $"Calls {request.Method} with the parameters below.",
    };

    private static string Of(ApprovalRequest request, string name) => request.Parameters.FirstOrDefault(each => each.Name == name)?.Value ?? "?";

    private static string List(ApprovalRequest request, string name) =>
        string.Join(", ", request.Parameters.Where(each => each.Name.StartsWith(name + "[", StringComparison.Ordinal)).Select(each => each.Value));
}
