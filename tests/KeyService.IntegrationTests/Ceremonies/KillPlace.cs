using System.Globalization;

namespace KeyService.IntegrationTests.Ceremonies;

/// <summary>
/// Where a process is ended by SIGKILL. Between two of these places nothing changes that outlives it: what it leaves is told by the files it changed, the
/// objects on the token, and what people answered.
/// </summary>
/// <param name="At">What it is about to do.</param>
/// <param name="Number">For which time, from 0.</param>
/// <param name="What">Function of the module, or the line that is said.</param>
internal sealed record KillPlace(KillAt At, int Number, string What = "")
{
    private static readonly Lazy<Task<string>> Library = new(CompileAsync);

    /// <summary>Functions that make, change or destroy objects.</summary>
    public static readonly string[] TokenFunctions =
        ["C_GenerateKey", "C_GenerateKeyPair", "C_UnwrapKey", "C_CreateObject", "C_CopyObject", "C_SetAttributeValue", "C_DestroyObject", "C_InitToken", "C_InitPIN"];

    /// <summary>The question of that number.</summary>
    public static implicit operator KillPlace(int question) => new(KillAt.Question, question);

    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{At} {What}{(What.Length > 0 ? " " : "")}{Number}");

    /// <summary>What the process needs to end itself before it changes a file.</summary>
    public async Task<IReadOnlyDictionary<string, string?>> EnvironmentAsync(string directory) => At != KillAt.Write ? new Dictionary<string, string?>() : new()
    {
        ["LD_PRELOAD"] = await Library.Value,
        ["KEYSERVICE_TEST_KILL_AT"] = Number.ToString(CultureInfo.InvariantCulture),
        ["KEYSERVICE_TEST_KILL_UNDER"] = directory,
    };

    private static async Task<string> CompileAsync()
    {
        var gcc = Infrastructure.RequireTool("gcc", "gcc");
        var source = Path.Combine(Infrastructure.RepositoryRoot, "tests/KeyService.IntegrationTests/Ceremonies/kill_at_write.c");
        var output = Path.Combine(AppContext.BaseDirectory, "kill_at_write.so");
        (await Command.RunAsync(gcc, ["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", output, source, "-ldl"])).ExpectExit(0);
        return output;
    }
}

/// <summary>What a process that is killed is about to do.</summary>
internal enum KillAt
{
    /// <summary>It waits for an answer.</summary>
    Question,

    /// <summary>It changes a file of the ceremony: an entry of the journal, a document, a copy.</summary>
    Write,

    /// <summary>It makes, changes or destroys an object of the token.</summary>
    TokenCall,

    /// <summary>It has just said a line.</summary>
    Said,
}
