namespace KeyService.IntegrationTests.Ceremonies;

/// <summary>What stands on a token of a rehearsal, as another program sees it.</summary>
internal static class TokenObjects
{
    /// <summary>Labels of all objects.</summary>
    public static async Task<IReadOnlyList<string>> LabelsAsync(string directory, string label)
    {
        var tool = Infrastructure.RequireTool("pkcs11-tool", "opensc");
        var listed = await Command.RunAsync(
            tool, ["--module", Infrastructure.SoftHsmModule, "--token-label", label, "--login", "--pin", await File.ReadAllTextAsync(Path.Combine(directory, "pin")), "--list-objects"],
            new Dictionary<string, string?> { ["SOFTHSM2_CONF"] = Path.Combine(directory, "softhsm2.conf") });
        return [.. listed.ExpectExit(0).Text.Split('\n').Where(line => line.TrimStart().StartsWith("label:", StringComparison.Ordinal)).Select(line => line.Split(':', 2)[1].Trim()).Order(StringComparer.Ordinal)];
    }
}
